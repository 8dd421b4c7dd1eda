// The modules of web/core, without a browser.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';

const core = path.join(path.dirname(fileURLToPath(import.meta.url)), '../core');
const names = ['ansi', 'logbuf', 'logview', 'vwin', 'stream', 'fmt', 'state', 'filter', 'route', 'account', 'tree', 'compose', 'queue', 'schedule', 'servers', 'history'];
const built = await esbuild.build({ stdin: { contents: names.map((n) => `export * as ${n} from './${n}';`).join('\n'), resolveDir: core }, bundle: true, format: 'esm', write: false, target: 'es2022' });
const { ansi, logbuf, logview, vwin, stream, fmt, state, filter, route, account, tree, compose, queue, schedule, servers, history } = await import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString('base64')}`);

test('a colour lasts across lines and across a cut inside its escape sequence', () => {
  const b = new logbuf.LogBuffer();
  b.append('a\x1b[3'); b.append('1mred\nstill red\n\x1b[0mplain\n');
  assert.deepEqual(b.lines, ['ared', 'still red', 'plain']);
  assert.equal(ansi.styleFg(b.spans[1][2]), 2);
  assert.equal(b.spans[2], null);
});
test('a colour of line 1 is on line 100,000, whatever the pieces in which they come', () => {
  const b = new logbuf.LogBuffer(), text = `\x1b[31mred\n${'still\n'.repeat(99_998)}\x1b[1mand bold\x1b[0m\n`, piece = text.indexOf('\x1b[1m') + 2;
  for (let at = 0, n = piece % 65_536; at < text.length; at += n, n = 65_536) b.append(text.slice(at, at + n));   // the last cut is inside of an escape sequence
  assert.equal(b.lines.length, 100_000);
  assert.deepEqual([b.spans[99_998], b.spans[99_999].slice(0, 2), ansi.styleFg(b.spans[99_999][2]), ansi.styleFlags(b.spans[99_999][2])], [[0, 5, 2], [0, 8], 2, ansi.BOLD]);
});
test('a log cut at every byte gives the same lines', () => {
  const text = 'one\r\n\x1b[1;32mtwo\x1b[0m\n10%\r50%\r100%\nlast';
  const whole = new logbuf.LogBuffer(); whole.append(text); whole.finish();
  assert.deepEqual(whole.lines, ['one', 'two', '100%', 'last']);
  for (let i = 0; i <= text.length; i++) {
    const b = new logbuf.LogBuffer(); b.append(text.slice(0, i)); b.append(text.slice(i)); b.finish();
    assert.deepEqual([b.lines, b.spans], [whole.lines, whole.spans], String(i));
  }
});
test('256 and true colours map to the sixteen the page has', () => {
  const p = ansi.parseLine('\x1b[38;5;244mx\x1b[1;38;2;255;0;0my', 0);
  assert.equal(ansi.styleFg(p.spans[2]), 245);
  assert.equal(ansi.styleFlags(p.spans[5]), ansi.BOLD);
  assert.deepEqual([196, 46, 21, 226, 51, 201, 232, 255, 16, 231, 3].map(logbuf.basic), [1, 2, 4, 3, 6, 5, 8, 7, 8, 15, 3]);
  assert.doesNotThrow(() => ansi.parseLine('\x1b[38;5mx\x1b[38;2mx\x1b[', 0));
});
test('titles and cursor sequences vanish', () => assert.equal(ansi.parseLine('\x1b]0;title\x07a\x1b[2Kb\x1b[?25lc', 0).text, 'abc'));
test('what a line overwrites, or has too much of, is not kept; what is kept counts', () => {
  for (const [text, is] of [['a\rb\r\r\n', 'b'], ['10%\r50%\r', '50%'], ['\rx', 'x'], ['a\r\x1b[31mred\n', 'red']]) for (let i = 0; i <= text.length; i++) {
    const b = new logbuf.LogBuffer(); b.append(text.slice(0, i)); b.append(text.slice(i)); b.finish();
    assert.deepEqual(b.lines, [is], `${JSON.stringify(text)} cut at ${i}`);
  }
  const b = new logbuf.LogBuffer(), piece = 'x'.repeat(10_240);
  for (let i = 0; i < 10_000; i++) b.append(piece);                    // 100 MB without a newline: in no time, and little of it stays
  assert.ok(b.chars > 10_000 && b.chars < 100_000, String(b.chars));
  b.append(`\rdone\n${'y'.repeat(34_000)}`);
  assert.deepEqual([b.lines, b.chars], [['done'], 34_004]);
  b.append('\n'); b.append(`${'z'.repeat(1 << 20)}\n`);
  assert.deepEqual([b.text(1).length, b.chars, b.text(2).length], [34_000, 34_004 + b.text(2).length, 65_536]);
});
test('search finds lines and marks them', async () => {
  const b = new logbuf.LogBuffer(), hits = [];
  b.append('Error one\nfine\nan error\n');
  await b.search('error', 0, 5, new AbortController().signal, (l) => hits.push(l));
  assert.deepEqual(hits, [0, 2]);
  hits.length = 0;
  await b.search('Error', 0, 5, new AbortController().signal, (l) => hits.push(l));
  assert.deepEqual(hits, [0]);
  assert.deepEqual(logbuf.runs('wait retry=3 end', null, 'retry=3').map((r) => r.cls.trim()), ['', 'hit', '']);
});
test('the window keeps below the height cap and reaches the last row', () => {
  const w = vwin.win(2_000_000, 20, 12_000_000 - 500, 500);
  assert.deepEqual([w.full, w.end], [12_000_000, 2_000_000]);
  assert.ok(w.end - w.start < 60);
  for (const i of [0, 999_999, 1_999_999]) { const v = vwin.win(2_000_000, 20, vwin.scrollFor(i, 2_000_000, 20, 500), 500); assert.ok(v.start <= i && i < v.end); }
});
test('a line becomes links, hits and colours, each over the others', () => {
  const of = (text, spans = null, q = '') => logbuf.runs(text, spans, q).map((r) => [r.text, r.cls.trim(), r.href ?? '']);
  assert.deepEqual(of('see https://a.example/x?y=1#L3, or (http://b.example).'), [['see ', '', ''], ['https://a.example/x?y=1#L3', '', 'https://a.example/x?y=1#L3'], [', or (', '', ''], ['http://b.example', '', 'http://b.example'], [').', '', '']]);
  for (const text of ['javascript://a.example/%0aalert(1)', 'data://x', 'ftp://a.example/', 'https://', 'http:// x', '//a.example']) assert.deepEqual(of(text).map((r) => r[2]), [''], text);
  assert.deepEqual(of('https://a.example/\u202egnp.exe')[0], ['https://a.example/', '', 'https://a.example/'], 'what turns the direction is outside');
  assert.deepEqual(of('https://a.example/">x')[0][2], 'https://a.example/');
  assert.deepEqual(of('abcdef', [1, 3, 2], 'bcd').map((r) => r.slice(0, 2)), [['a', ''], ['bc', 'f1 hit'], ['d', 'hit'], ['ef', '']], 'a hit over the end of a colour');
  assert.deepEqual(of('x http://h/y z', null, 'h/y z'), [['x ', '', ''], ['http://', '', 'http://h/y'], ['h/y', 'hit', 'http://h/y'], [' z', 'hit', '']]);
  for (const text of ['', 'x', 'a\tb  c']) assert.equal(of(text).map((r) => r[0]).join(''), text);
});
test('a log that is cut above keeps the numbers of its lines', () => {
  const b = new logbuf.LogBuffer();
  b.append(Array.from({ length: 50 }, (_, i) => `line ${i}\n`).join(''));
  assert.equal(b.trim(20, 1e9), 30);
  assert.deepEqual([b.base, b.end, b.lines.length, b.text(29), b.text(30), b.text(49), b.chars], [30, 50, 20, '', 'line 30', 'line 49', 20 * 7]);
  assert.equal(b.trim(20, 1e9), 0);
  assert.equal(b.trim(20, 35), 15, 'as many as 35 letters allow');
  b.append(`${'x'.repeat(99)}\n`);
  b.trim(20, 35);
  assert.deepEqual(b.lines.length, 1, 'a line that is longer than all stays');
});
test('rows of a wrapped line', () => {
  for (const [text, cols, rows] of [['', 80, 1], ['x', 80, 1], ['x'.repeat(80), 80, 1], ['x'.repeat(81), 80, 2], ['x'.repeat(2500), 80, 26], ['é'.repeat(80), 80, 1], ['✓ на 81'.padEnd(81, 'ж'), 80, 2], ['e\u0301'.repeat(80), 80, 1], ['語'.repeat(40), 80, 1], ['語'.repeat(41), 80, 2],
    ['語'.repeat(40), 79, 2], ['\t'.repeat(20), 80, 1], ['\t'.repeat(21), 80, 2], [`${'x'.repeat(77)}\ty`, 80, 2], [`${'x'.repeat(77)}\t`, 80, 1], ['🙂'.repeat(41), 80, 2]]) assert.equal(logview.rowsOf(text, cols), rows, `${JSON.stringify(text.slice(0, 20))} ${text.length} in ${cols}`);
});
test('which row shows which line: all, wrapped, folded, only some; while lines come and go', () => {
  const b = new logbuf.LogBuffer(), rows = new logview.Rows(), say = (n) => b.append(Array.from({ length: n }, () => `${'x'.repeat((b.end * 37 + 11 * b.lines.length) % 300)}\n`).join(''));
  const holds = (cols, want, hidden = () => false) => {
    const lines = Array.from({ length: b.lines.length }, (_, i) => b.base + i).filter((l) => !hidden(l) && (!want || want.includes(l)));
    assert.equal(rows.count, lines.length);
    let top = 0;
    lines.forEach((l, k) => {
      assert.deepEqual([rows.line(k), rows.index(l), rows.top(k), rows.at(top)], [l, k, top, k], `line ${l} with ${cols} columns`);
      top += cols ? logview.rowsOf(b.text(l), cols) : 1;
      assert.equal(rows.at(top - 1), k);
    });
    assert.equal(rows.top(rows.count), top);
  };
  const folded = [{ at: 3, end: 9, passed: true }, { at: 20, end: 31, passed: true }], hidden = (l) => folded.some((f) => l > f.at && l < f.end);
  for (const cols of [0, 80, 20]) {
    b.clear();
    for (const n of [40, 1, 60]) {
      say(n);
      rows.update(b, cols, null, []); holds(cols);
      rows.update(b, cols, null, folded); holds(cols, null, hidden);
      say(2); rows.update(b, cols, null, folded); holds(cols, null, hidden);
      assert.equal(rows.line(rows.index(5)), 3, 'what is folded is where its head is');
      const some = [2, 7, 30, 39];
      rows.update(b, cols, some, folded); holds(cols, some);
    }
    b.trim(50, 1e9);
    rows.update(b, cols, null, []); holds(cols);
  }
});
test('a window over rows of several heights; past the cap too', () => {
  const heights = (of) => { const tops = [0]; for (const h of of) tops.push(tops.at(-1) + h); return { top: (k) => tops[Math.min(k, of.length)], at: (r) => logview.below(tops, r) }; };
  for (const [n, height] of [[5000, (i) => 1 + (i % 7)], [200_000, (i) => 1 + (i % 9 === 4 ? 30 : 0)]]) {
    const of = Array.from({ length: n }, (_, i) => height(i)), rows = heights(of), view = 480, full = vwin.win(n, 20, 0, view, 0, rows).full;
    assert.ok(full <= 12_000_000);
    for (const part of [0, 0.1, 0.5, 0.77, 1]) {
      const y = part * (full - view), w = vwin.win(n, 20, y, view, 0, rows);
      assert.ok(w.top <= y + 1e-6 && w.top + (rows.top(w.end) - rows.top(w.start)) * 20 >= y + view - 1e-6, `the view is full at ${part}`);
    }
    assert.equal(vwin.win(n, 20, Infinity, view, 0, rows).end, n);
    for (const i of [0, 17, n >> 1, n - 1]) {
      const w = vwin.win(n, 20, vwin.scrollFor(i, n, 20, view, rows), view, 0, rows);
      assert.ok(w.start <= i && i < w.end, `line ${i} is in view`);
      if (i < n - 50) assert.equal(vwin.win(n, 20, vwin.scrollFor(i, n, 20, view, rows, 0) + 1e-6, view, 0, rows).first, i, 'or at its top');
    }
  }
});
test('phases before the script: where they end, which may be folded', () => {
  const log = ['[wrata: podman fetches image ruby:3.2]', 'layer 1', 'layer 2', '[wrata: prepare: step 1 of 2, gems: bundle install]', 'Using rake', 'Using rspec', '[wrata: prepare: step 2 of 2, assets: npm ci]', 'npm ERR', '[wrata: step \'assets\': exit status 1]',
    '[wrata: prepare: tried once more from the beginning]', '[wrata: prepare: step 1 of 2, gems: bundle install]', 'Error: a warning', 'Using rake', '[wrata: prepare: step 2 of 2, assets: npm ci]', 'ok', '[wrata: prepared in 3.1 s]', 'Run options', '[wrata: prepare: step 1 of 2, of a script that says so]', 'x'];
  const own = [], errors = [];
  log.forEach((l, i) => { if (logview.OWN.test(l)) own.push(i); if (logbuf.ERROR_LINE.test(l)) errors.push(i); });
  const all = logview.phases(own, (i) => log[i]);
  assert.deepEqual(all.map((p) => [p.at, p.end, p.passed]), [[0, 3, true], [3, 6, true], [6, 8, false], [10, 13, true], [13, 15, true]], 'one that nothing ends is none');
  assert.deepEqual(logview.foldable(all, errors).map((p) => p.at), [0, 3, 13], 'nothing that failed, nothing with an error in it');
});
test('a script that prints lines like those of the preparation: few are looked at, each line is laid out once', () => {
  const b = new logbuf.LogBuffer(), of = () => { const own = []; for (let i = 0; i < b.end; i++) if (logview.OWN.test(b.text(i))) own.push(i); return logview.phases(own, (l) => b.text(l)); };
  b.append(`${'[wrata: prepare: step 1 of 2, x: y]\n1\n2\n'.repeat(40_000)}`);
  assert.equal(of().length, 100);
  b.clear();
  b.append('[wrata: podman fetches image ruby]\nlayer\n\n[wrata: prepare: step 1 of 1, x: y]\nok\n[wrata: prepared in 1.0 s]\n\n[wrata: in a container of ruby]\nRun options\n[wrata: prepare: step 1 of 1, x: y]\nok\n[wrata: prepared in 1.0 s]\n');
  assert.deepEqual(of().map((p) => [p.at, p.end]), [[0, 3], [3, 5]], 'after a line of the script there are no more');
  b.clear();
  let looks = 0;
  const n = 300_000, rows = new logview.Rows(), folded = new Proxy(Array.from({ length: 100 }, (_, i) => ({ at: i * 10, end: i * 10 + 5, passed: true })), { get: (a, k) => { if (!Number.isNaN(Number(k))) looks++; return a[k]; } });
  b.append('x'.repeat(100).concat('\n').repeat(n));
  looks = 0;
  assert.equal(rows.update(b, 0, null, folded).count, n - 400);
  assert.deepEqual([0, 1, 2, 199].map((k) => rows.line(k)), [0, 5, 6, 335]);
  assert.ok(looks < 3 * n, `${looks} looks at a phase for ${n} lines`);
  b.append('x\n'.repeat(10));
  assert.equal(rows.update(b, 0, null, folded).count, n - 390);
});
test('times of lines: from one on, more of them, what is known again; the old ones go when they are many', () => {
  const t = new logview.Times();
  assert.equal(t.at(1), null);
  t.add([[1, 100], [4, 200]], 6, 1);
  assert.deepEqual([1, 3, 4, 6, 7].map((l) => t.at(l)), [100, 100, 200, 200, null]);
  t.add([[6, 250], [7, 300]], 9, 1);
  assert.deepEqual([5, 6, 7, 9, 10].map((l) => t.at(l)), [200, 250, 300, 300, null]);
  t.add(Array.from({ length: 30_000 }, (_, i) => [10 + i, 1000 + i]), 30_009, 1);
  t.add([[30_010, 90_000]], 30_010, 20_000);
  assert.deepEqual([t.at(1), t.at(20_001), t.at(30_010)], [null, 20_991, 90_000]);
  assert.deepEqual([fmt.stamp(5_000, 4_750), fmt.stamp(65_250, 0), fmt.stamp(3_725_001, 0)], ['0:00.250', '1:05.250', '1:02:05.001']);
  assert.match(fmt.stamp(Date.now(), null), /^\d\d:\d\d:\d\d\.\d{3}$/);
});
test('log events: each byte once', () => {
  const e = (from, to, text) => ({ run: 1, from, to, text, complete: false });
  assert.equal(stream.freshText(e(10, 13, 'abc'), 10), 'abc');
  assert.equal(stream.freshText(e(10, 13, 'abc'), 13), '');
  assert.equal(stream.freshText(e(10, 13, 'abc'), 12), 'c');
  assert.equal(stream.freshText(e(10, 15, '€€'.slice(0, 1) + 'ab'), 13), 'ab');
  assert.equal(stream.freshText(e(10, 13, 'abc'), 9), null, 'a gap');
  assert.equal(stream.freshText(e(10, 13, '\ufffd'.repeat(3)), 11), null, 'bytes cannot be told from replaced text');
});
test('a character cut at the end of a part waits for the next', () => {
  const all = new TextEncoder().encode('a€😀é');
  for (let i = 0; i <= all.length; i++) {
    const a = all.subarray(0, i), keep = a.length - stream.unfinished(a);
    assert.equal(new TextDecoder().decode(all.subarray(0, keep)) + new TextDecoder().decode(all.subarray(keep)), 'a€😀é', String(i));
  }
  assert.equal(stream.unfinished(new Uint8Array([0x80, 0x80, 0x80, 0x80])), 0);
});
test('topics of several tabs: one list, a log from where the last of them is, and who an event is for', () => {
  const a = stream.topics(['servers', 'log:3@900']), b = stream.topics(['log:3@40', 'launch:7']), c = stream.topics(['run:5', 'launches']);
  assert.deepEqual(stream.named(stream.union([a, b])).sort(), ['launch:7', 'log:3@40', 'servers']);
  for (const [type, data, who] of [['server', { id: 1 }, [a]], ['launch', { id: 7 }, [b, c]], ['launch', { id: 8 }, [c]], ['run', { id: 5, launch: 8 }, [c]], ['run', { id: 6, launch: 7 }, [b]], ['log', { run: 3 }, [a, b]], ['log', { run: 4 }, []],
    ['test', { id: 1, launch: 7 }, [b]], ['causes', { launch: 8 }, []], ['example', { run: 5 }, [b, c]], ['artifacts', { launch: 8, run: 5 }, [c]], ['queue', {}, []], ['job', {}, []]]) assert.deepEqual([a, b, c].filter((t) => stream.wants(t, type, data)), who, type);
});
test('stream addresses and back-off', () => {
  assert.match(stream.streamUrl(['log:3@9'], '1f-77~3@5'), /&since=1f-77$/, 'whoever asks says where logs go on');
  assert.equal(stream.streamUrl(['servers', 'log:3@9', 'servers'], ''), '/api/v1/stream?topics=log:3@9,servers');
  assert.match(stream.streamUrl(['launch:1'], '77'), /&since=77$/);
  for (let i = 0; i < 20; i++) assert.ok(stream.backoff(i, 1) <= 18_750 && stream.backoff(i, 0) >= 375);
});
test('numbers and times', () => {
  assert.deepEqual([null, 0, 0.116, 12.4, 1423, 9960, 59_600, 187_000, 3_840_000].map(fmt.dur), ['–', '0 ms', '0 ms', '12 ms', '1.4 s', '10 s', '1m 00s', '3m 07s', '1h 04m']);
  assert.deepEqual([fmt.eta(null), fmt.eta(1000), fmt.eta(840_000), fmt.eta(9_000_000)], ['time left unknown', 'less than a minute left', 'about 14 min left', 'about 2.5 h left']);
  assert.deepEqual([0.0000153, 0.01234, 3.5, 123.456].map(fmt.usd), ['$0.000015', '$0.0123', '$3.5000', '$123.46']);
  assert.deepEqual([999, 1000, 15_300, 2_500_000, 3e9].map(fmt.bytes), ['999 B', '1.0 kB', '15 kB', '2.5 MB', '3.0 GB']);
  assert.equal(fmt.visible('a\u202eb\x1b\n'), 'a\\u202eb\\u001b\\u000a');
  assert.equal(fmt.visibleText('\x1b[31mred\x1b[0m\n\tb\u0000'), 'red\n\tb\\u0000');
});
test('every state has its own shape and every word its face', () => {
  assert.equal(new Set(Object.values(state.SHAPES)).size, Object.keys(state.SHAPES).length);
  for (const o of ['passed', 'failed', 'error', 'no_tests', 'timed_out', 'stopped', 'infrastructure']) assert.ok(state.outcomeFace(o).shape);
  assert.equal(state.serverFace({ link: 'online', running: [] }).word, 'idle');
  assert.equal(state.serverFace({ link: 'online', running: [], maintenance: true }).word, 'maintenance');
  assert.equal(state.serverFace({ link: 'online', running: [], sick: 'its disk is full' }).word, 'taken out');
  const disk = (free) => ({ path: '/w', free_bytes: free * 2 ** 20, total_bytes: 20 * 2 ** 30 });
  assert.deepEqual(state.healthNotes(null), []);
  assert.deepEqual(state.healthNotes({ disk: disk(9000), tmp: null, skew_ms: 4000, skew_error_ms: 3 }), []);
  assert.deepEqual(state.healthNotes({ disk: disk(300), tmp: disk(9000), skew_ms: -6500, skew_error_ms: 20 }), ['300 MiB free in /w', 'its clock is 6.5 s behind']);
  assert.equal(state.outcomeFace('something new').word, 'something new');
});
test('a failure is never thinner than four pixels in a bar', () => {
  const v = state.barVars(139, 0, 1, 140);
  assert.match(v['--a'], /^max\(4px/);
  assert.equal(state.barVars(0, 0, 0, 0)['--c'], '0%');
});
test('project lines of a backtrace', () => {
  assert.deepEqual(['./spec/a.rb:1', '/usr/lib/x.rb:2', './vendor/bundle/gems/x.rb:3', 'spec/a.rb:4'].map(state.isProjectLine), [true, false, false, true]);
});
test('the filter box', () => {
  const f = filter.parseFilter('pivot -chart state:failed,error foo:bar', ['state']);
  assert.deepEqual([f.words, f.not, f.keys.get('state'), f.unknown], [['pivot'], ['chart'], ['failed', 'error'], ['foo']]);
  assert.ok(filter.matches(f, 'spec/Pivot_spec.rb', () => 'failed'));
  assert.ok(!filter.matches(f, 'spec/pivot_chart_spec.rb', () => 'failed'));
  assert.ok(!filter.matches(f, 'spec/pivot_spec.rb', () => 'passed'));
  assert.deepEqual(filter.parseFilter('spec/a_spec.rb:12', ['state']).unknown, []);
});
test('the filter of the history, as the server is asked', () => {
  const names = { me: 3, owner: new Map([['mira', 7]]), project: new Map([['docs', 1]]), server: new Map([['qa-1', 12]]) }, now = Date.parse('2026-11-30T12:00:00Z');
  const ask = (text, range = '') => history.ask(filter.parseFilter(text, history.RUN_KEYS), range, names, now);
  assert.deepEqual(ask('pivot -chart lang:de-DE').query, { path: 'pivot', language: 'de-DE' });
  assert.deepEqual(ask('pivot -chart').not, ['chart']);
  assert.deepEqual(ask('state:failed,infra owner:me project:Docs server:QA-1 ref:Release/9.1', '24h').query, { outcome: 'failed,infrastructure', user: '3', project: '1', server: '12', ref: 'Release/9.1', since: '2026-11-29T12:00:00.000Z' });
  assert.deepEqual(ask('state:running owner:mira launch:4').query, { state: 'running', user: '7', launch: '4' });
  assert.deepEqual(ask('state:no-tests,timed').query, { outcome: 'no_tests,timed_out' });
  assert.equal(ask('owner:nobody').problems[0], 'There is no user nobody.');
  assert.equal(ask('state:passed,running').problems.length, 1);
  assert.match(ask('state:x').problems[0], /^state: is one of passed/);
  assert.deepEqual(['>5m', '90s', '1.5h', '10', ''].map(history.duration), [300_000, 90_000, 5_400_000, 0, 0]);
  assert.equal(ask('slow:soon').problems.length, 1);
  const slow = ask('slow:>5m -chart');
  assert.deepEqual([['spec/a.rb', 300_001], ['spec/a.rb', 300_000], ['spec/Chart.rb', 900_000], ['spec/a.rb', null]].map(([p, ms]) => history.fits(slow, p, ms)), [true, false, false, false]);
});
test('addresses of accounts', () => {
  assert.deepEqual(['/signin', '/welcome', '/account', '/account/mail', '/account/x', '/admin/users', '/admin/users/4', '/admin/users/x', '/constructor', '/admin/audit/'].map((p) => route.route(p).at),
    ['signin', 'welcome', 'account', 'account', 'nothing', 'users', 'user', 'nothing', 'nothing', 'audit']);
  assert.equal(route.route('/account').tab, 'profile');
});
test('after a sign-in one goes to this page and nowhere else', () => {
  const o = 'https://wrata.example';
  for (const [next, to] of [['/runs/3?tab=log#L4', '/runs/3?tab=log#L4'], [null, '/'], ['', '/'], ['runs/3', '/'], ['//evil.example', '/'], ['/\\evil.example', '/'], ['/\t/evil.example', '/'], ['https://evil.example', '/'], ['/signin?next=/x', '/'], ['/api/v1/me', '/'], ['/./..//evil.example', '/'], [`/${'x'.repeat(3000)}`, '/']])
    assert.equal(route.safeNext(next, o), to, String(next));
  assert.equal(account.signInAddress('/runs/3?a=b'), '/signin?next=%2Fruns%2F3%3Fa%3Db');
});
test('who may stop', () => {
  const as = (role, id) => ({ role, user: id ? { id } : null });
  assert.ok(account.mayStop(as('user', 3), { user: { id: 3, login: 'a' } }));
  assert.ok(account.mayStop(as('admin', 2), { user: { id: 3, login: 'a' } }));
  assert.ok(account.mayStop(as('admin', 0), null), 'accounts are off: the operator');
  for (const [m, l] of [[as('user', 4), { user: { id: 3 } }], [as('user', 4), null], [as('user', 4), { user: null }], [as('unverified', 3), { user: { id: 3 } }], [as('nobody', 0), { user: null }], [null, { user: { id: 1 } }]]) assert.ok(!account.mayStop(m, l));
});
test('variables: what is sent, and what is wrong', () => {
  const d = (name, value, secret = false, had = false, key = 1) => ({ key, name, value, secret, had });
  assert.deepEqual(account.toLine(d('A', '', true, true)), { name: 'A', secret: true }, 'a stored secret keeps its value');
  assert.deepEqual(account.toLine(d('A', '', true, false)), { name: 'A', value: '', secret: true });
  assert.deepEqual(account.toLine(d('A', 'x', false, true)), { name: 'A', value: 'x', secret: false });
  assert.equal(account.wrongDraft([d('A', ''), d('B_1', 'x', false, false, 2)]), null);
  assert.equal(account.wrongDraft([d('A', ''), d('A', 'x', false, false, 2)]).key, 2);
  for (const bad of [d('', 'x'), d('1A', 'x'), d('A B', 'x'), d('A=', ''), d('A', '', false, true)]) assert.ok(account.wrongDraft([bad]), bad.name);
  assert.deepEqual(account.parseEnv('# no\nexport A="b c"\r\nB=1=2\n C = x\n9D=1\nE=\'q\'\nF="half'), [{ name: 'A', value: 'b c' }, { name: 'B', value: '1=2' }, { name: 'E', value: 'q' }, { name: 'F', value: '"half' }]);
});
test('addresses', () => {
  assert.deepEqual(['/', '/launches/12', '/runs/345/', '/runs/0', '/runs/x', '/launches/12/tests'].map((p) => route.route(p).at), ['board', 'launch', 'run', 'nothing', 'nothing', 'nothing']);
  assert.deepEqual([route.lineRange('#L12'), route.lineRange('#L10-L12'), route.lineRange('#L12-10'), route.lineRange('#x')], [[11, 11], [9, 11], [9, 11], null]);
});

test('a tree keeps the order of bytes, counts what is ticked, and ticks folders', () => {
  const paths = ['a.sh', 'spec/a/one_spec.rb', 'spec/a/two_spec.rb', 'spec/a-b/x_spec.rb', 'spec/z_spec.rb'].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  const root = tree.build(paths), ticked = new Set(['spec/a/two_spec.rb']), find = (p) => tree.visibleRows(root, null).find((n) => n.path === p);
  const leaves = [];
  tree.eachFile(root, (p) => leaves.push(p));
  assert.deepEqual(leaves, paths, 'what is shown is the order of the queue');
  tree.count(root, ticked);
  assert.equal(tree.tick(find('spec/')), 'mixed');
  assert.equal(tree.tick(find('spec/a-b/')), 'false');
  assert.equal(tree.toggle(find('spec/'), ticked), true);
  tree.count(root, ticked);
  assert.equal(tree.tick(find('spec/')), 'true');
  assert.equal(tree.tick(root), 'mixed');
  assert.equal(tree.toggle(find('spec/a/'), ticked), false);
  assert.deepEqual(tree.inOrder(paths, ticked), { files: ['spec/a-b/x_spec.rb', 'spec/z_spec.rb'], missing: [] });
  ticked.add('gone.sh');
  assert.deepEqual(tree.inOrder(paths, ticked).missing, ['gone.sh']);
  assert.deepEqual(tree.visibleRows(root, new Set(['spec/'])).map((n) => n.path), ['a.sh', 'spec/', 'spec/a-b/', 'spec/a/', 'spec/a/one_spec.rb', 'spec/a/two_spec.rb', 'spec/z_spec.rb'].filter((p) => !p.startsWith('spec/a/') || p === 'spec/a/'));
  assert.deepEqual([...tree.openAtFirst(tree.build(['spec/ui/a.rb', 'spec/ui/b.rb']), 'spec/ui/a.rb')], ['spec/', 'spec/ui/']);
});
test('a tree of 10,000 files is built, opened and counted in an instant', () => {
  const paths = Array.from({ length: 10_000 }, (_, i) => `spec/${i % 40}/${i % 7}/f${String(i).padStart(5, '0')}_spec.rb`).sort();
  const t0 = performance.now(), root = tree.build(paths), ticked = new Set(paths.slice(0, 1000));
  tree.count(root, ticked);
  assert.equal(tree.visibleRows(root, null).length, 10_000 + 1 + 40 + 280);
  assert.ok(performance.now() - t0 < 1000, `${performance.now() - t0} ms`);
});
test('what is searched for: words, or a glob', () => {
  assert.deepEqual(tree.search(' pivot docs '), { q: 'pivot docs' });
  assert.deepEqual(tree.search('spec/**/*_spec.rb'), { glob: 'spec/**/*_spec.rb' });
  assert.deepEqual(tree.search('*_spec.rb'), { glob: '**/*_spec.rb' });
  assert.deepEqual(tree.search('  '), {});
});
test('a launch as it is composed: count, body, faults by control', () => {
  const p = { location: 'com eu', url: '', browsers: [], languages: ['de-DE', 'en-US', 'fr-FR'], env: 'A=1\n\n# no\nexport B=two words\n', name: ' ', soonest: false };
  assert.equal(compose.sentence(120, p), '120 files × 3 languages = 360 tests');
  assert.equal(compose.sentence(1, { ...p, languages: ['x'] }), '1 test');
  assert.equal(compose.tests(120, { languages: [], browsers: ['a', 'b'] }), 240);
  assert.deepEqual(compose.body(1, 'develop', ['a.sh'], p, true), { project: 1, files: ['a.sh'], at: 'front', ref: 'develop', location: 'com eu', languages: p.languages, env: ['A=1', 'B=two words'] });
  assert.deepEqual(compose.wrong(1, p), {});
  assert.match(compose.wrong(0, p).files, /at least one/);
  assert.match(compose.wrong(1, { ...p, location: compose.CUSTOM, url: 'javascript:alert(1)' }).url, /http/);
  assert.match(compose.wrong(1, { ...p, location: compose.CUSTOM, url: '' }).url, /Type the address/);
  assert.match(compose.wrong(1, { ...p, env: 'just words' }).env, /NAME=value/);
  assert.equal(compose.control('env[2]', p), 'env');
  assert.equal(compose.control('location', { location: compose.CUSTOM }), 'url');
  assert.equal(compose.control('wrata.yml', p), null);
  assert.deepEqual(compose.known(['b', 'x', 'a', 'b'], [{ name: 'a' }, { name: 'b' }]), ['b', 'a']);
});

const q = (...ids) => ids.map((id) => ({ id, path: `p${id % 3}`, commit: 'c', location: '', language: '', browser: '', project: { id: 1 } }));
const ids = (items) => items.map((x) => x.id).join();
test('a queue: moved as a block, before what stays, one step at a time', () => {
  const a = q(1, 2, 3, 4, 5, 6);
  assert.equal(ids(queue.move(a, new Set([2, 5]), 4)), '1,3,2,5,4,6');
  assert.equal(ids(queue.move(a, new Set([2, 5]), null)), '1,3,4,6,2,5');
  assert.equal(ids(queue.move(a, new Set([2, 3]), 3)), '1,2,3,4,5,6', 'before one of themselves: where they are');
  assert.equal(ids(queue.move(a, new Set([5, 6]), 6)), '1,2,3,4,5,6');
  assert.equal(queue.step(a, new Set([3]), true), 2);
  assert.equal(queue.step(a, new Set([3]), false), 5);
  assert.equal(queue.step(a, new Set([5]), false), null, 'to the end');
  assert.equal(queue.step(a, new Set([1, 2]), true), undefined, 'it is at the front');
  assert.equal(queue.step(a, new Set([5, 6]), false), undefined, 'it is at the end');
  assert.equal(ids(queue.move(a, new Set([1, 3]), queue.step(a, new Set([1, 3]), true))), '1,3,2,4,5,6', 'apart, they come together');
  for (const set of [[1], [4], [2, 3], [6]]) for (const up of [true, false]) {
    const s = new Set(set), to = queue.step(a, s, up);
    if (to !== undefined) assert.notEqual(ids(queue.move(a, s, to)), ids(a), `${set} ${up}`);
  }
});
test('a queue: the first page is newer than what was known', () => {
  assert.equal(ids(queue.mergeFirst(q(1, 2, 3, 4, 5), q(2, 3), false)), '2,3,4,5');
  assert.equal(ids(queue.mergeFirst(q(1, 2, 3, 4, 5), q(4, 1, 2), false)), '4,1,2,3,5');
  assert.equal(ids(queue.mergeFirst(q(1, 2, 3), q(7, 8), false)), '7,8', 'nothing is guessed');
  assert.equal(ids(queue.mergeFirst(q(1, 2, 3), q(2), true)), '2');
  assert.equal(queue.duplicates(q(1, 2, 3, 4, 5)), 2);
  assert.equal(queue.startsIn(840_000, 0), '~ 14 min');
  assert.equal(queue.startsIn(9000, 8000), 'next');
  assert.equal(queue.startsIn(null, 0), '');
});

test('rules of schedules: as said, as sent, and when they are complete', () => {
  const r = { kind: 'weekly', at: '02:30', hours: 1, minutes: 30, days: 'mon,tue,wed,thu,fri', cron: '', zone: 'Europe/Berlin', until: '' };
  assert.equal(schedule.ruleText(r), 'weekdays at 02:30 (Europe/Berlin)');
  assert.equal(schedule.ruleText({ ...r, days: 'mon,fri' }), 'Monday and Friday at 02:30 (Europe/Berlin)');
  assert.equal(schedule.ruleText({ ...r, kind: 'every', zone: '' }), 'every 1 h 30 min');
  assert.equal(schedule.ruleText({ ...r, kind: 'once', at: '2026-11-24T02:30', until: '2027-01-01T00:00' }), 'once, 2026-11-24 02:30 (Europe/Berlin) until 2027-01-01 00:00');
  assert.deepEqual(schedule.ruleBody({ ...r, kind: 'daily' }), { kind: 'daily', zone: 'Europe/Berlin', at: '02:30' }, 'what the kind has no use for is left out');
  assert.deepEqual(schedule.ruleBody({ ...r, kind: 'every', at: '' }), { kind: 'every', zone: 'Europe/Berlin', hours: 1, minutes: 30 });
  assert.deepEqual(schedule.ruleBody({ ...r, kind: 'cron', cron: ' 0 2 * * * ' }), { kind: 'cron', zone: 'Europe/Berlin', cron: '0 2 * * *' });
  assert.equal(schedule.isWhole({ ...r, days: '' }), false);
  assert.equal(schedule.isWhole({ ...r, kind: 'every', hours: 0, minutes: 0 }), false);
  assert.equal(schedule.isWhole({ ...r, kind: 'cron', cron: '0 2 * *' }), false);
  assert.equal(schedule.localText('2026-03-29T03:00:00+02:00'), 'Sun, 29 Mar 2026, 03:00 +02:00');
  assert.equal(schedule.localText('2026-03-29T03:00:00Z'), 'Sun, 29 Mar 2026, 03:00 UTC');
  assert.equal(schedule.until('2026-01-02T00:00:00Z', Date.parse('2026-01-01T13:00:00Z')), 'in 11 h');
});

test('servers: what may be done to which, why each is as it is, countdown and patterns', () => {
  const s = (more) => ({ id: 1, name: 'a', fleet: 'cloud', kind: 'digitalocean', status: 'created', link: 'online', running: [], reason: '', booked_by: null, ...more });
  const mira = { role: 'user', accounts: true, user: { id: 2 } }, boss = { role: 'admin', accounts: true, user: { id: 1 } };
  const of = (op, more, m = mira) => servers.fit(op, [s(more)], m).length;
  assert.deepEqual([of('book', {}), of('book', { booked_by: { id: 9 } }), of('unbook', { booked_by: { id: 2 } }), of('unbook', { booked_by: { id: 9 } }), of('unbook', { booked_by: { id: 9 } }, boss)], [1, 0, 1, 0, 1]);
  assert.deepEqual([of('power_on', { status: 'destroyed' }), of('power_on', {}), of('power_off', {}), of('power_off', { kind: 'ssh' }), of('power_off', { booked_by: { id: 9 } }), of('power_off', { booked_by: { id: 9 } }, boss)], [1, 0, 1, 0, 0, 1]);
  assert.deepEqual([of('drain', {}), of('drain', {}, boss), of('resume', { sick: 'x' }, boss), of('resume', {}, boss)], [0, 1, 1, 0]);
  assert.equal(servers.why(s({ status: 'creating', progress: 'the machine starts' })), 'the machine starts');
  assert.equal(servers.why(s({ sick: 'the disk is full', link: 'lost' })), 'the disk is full');
  assert.equal(servers.why(s({ link: 'lost', reason: 'no heartbeat for 40 s' })), 'no heartbeat for 40 s');
  assert.equal(servers.why(s({})), '');
  assert.equal(state.serverFace(s({ status: 'creating', link: 'offline' })).word, 'being made');
  assert.equal(state.serverFace(s({ status: 'destroyed', link: 'offline' })).word, 'off');
  const now = Date.parse('2026-01-01T00:00:00Z');
  assert.equal(servers.countdown({ destroys_at: '2026-01-01T00:12:04Z' }, now), '12m 04s');
  assert.equal(servers.countdown({ destroys_at: null }, now), '');
  assert.deepEqual(['web-{0..19}', 'web-1', 'web-{3..1}', 'web-{x}', 'web-{0..19'].map(servers.patternCount), [20, 1, 0, 0, 0]);
  assert.deepEqual([0.00744, 0.0149, 1.5].map(servers.usd), ['$0.007', '$0.015', '$1.50']);
});

// A log of lines of given lengths, as the server gives it: the store runs without a browser and without any server.
const storeBuilt = await esbuild.build({
  stdin: { contents: "export * from './logstore';", resolveDir: path.join(core, '../app') }, bundle: true, format: 'esm', write: false, target: 'es2022',
  plugins: [{ name: 'stub', setup(x) {
    x.onResolve({ filter: /^(\.\/(api|live)|preact)$/ }, (a) => ({ path: a.path, namespace: 'stub' }));
    x.onLoad({ filter: /.*/, namespace: 'stub' }, (a) => ({ contents: { './api': 'export const asError = (e) => e, get = (...a) => globalThis.logServer.get(...a), logPart = (...a) => globalThis.logServer.part(...a);', './live': 'export const retopic = () => {}; export const subscribe = (s) => { globalThis.logServer.on = s.on; return () => {}; };', preact: 'export class Component {} export const options = {};' }[a.path] }));
  } }],
});
const { LogStore } = await import(`data:text/javascript;base64,${Buffer.from(storeBuilt.outputFiles[0].contents).toString('base64')}`);
function serveLog(lengths) {
  const starts = [0];
  for (const l of lengths) starts.push(starts.at(-1) + l + 1);
  const bytes = Buffer.alloc(starts.at(-1), 120), s = { parts: 0, asked: 0, complete: true, bytes };
  lengths.forEach((l, i) => { bytes.write(`${i + 1} `, starts[i], 'latin1'); bytes[starts[i] + l] = 10; });
  s.get = async (address) => {                                         // an answer comes all the same when nobody waits for it any more
    s.asked++;
    const n = Number(/line=(-?\d+)/.exec(address)[1]), line = n < 0 ? Math.max(1, lengths.length + n + 1) : n;
    await s.slow?.(line);
    return { items: line <= lengths.length ? [{ line, byte: starts[line - 1] }] : [], lines: lengths.length };
  };
  s.part = async (_, q, signal) => {
    s.parts++;
    const from = Number(/from=(\d+)/.exec(q)[1]), to = Math.min(s.bytes.length, from + Number(/max=(\d+)/.exec(q)[1]));
    await new Promise((r) => { setImmediate(r); });
    signal.throwIfAborted();
    return { from, to, size: s.bytes.length, complete: s.complete, bytes: new Uint8Array(s.bytes.subarray(from, to)) };
  };
  return (globalThis.logServer = s);
}
/** A store whose first load is over; `leave` ends it. */
async function opened(lengths, complete = true) {
  const s = serveLog(lengths), log = new LogStore(1);
  s.complete = complete;
  const leave = log.start();
  while (log.state.peek() === 'loading') await new Promise((r) => { setImmediate(r); });
  return { s, log, leave };
}
/** First and last line of the window; each line says itself which it is. */
function windowOf(log) {
  const { buf } = log, zero = log.zero();
  for (const l of [buf.base, (buf.base + buf.end) >> 1, buf.end - 1]) assert.equal(buf.text(l).split(' ')[0], String(zero + l + 1), 'a line has its number');
  return [zero + buf.base + 1, zero + buf.end];
}
const repeat = (n, length) => Array.from({ length: n }, () => length);
for (const [what, lengths] of [['lines of 100 bytes before some of 15 kB', [...repeat(247_000, 100), ...repeat(3000, 15_000)]], ['lines of 34 kB', repeat(2000, 34_000)], ['lines of 100 bytes', repeat(600_000, 100)]]) test(`the window of a long log, ${what}: numbers, earlier, a line`, async () => {
  const { s, log } = await opened(lengths), n = lengths.length, [first, last] = windowOf(log);
  assert.equal(last, n);
  assert.equal(await log.earlier(), true);
  const [from, to] = windowOf(log);
  assert.ok(from < first - 100 && to >= first - 1, `${from} to ${to} joins ${first}`);
  for (const line of [1, 700, n >> 1, n - 1000, n]) {
    s.parts = s.asked = 0;
    assert.equal(await log.around(line), true);
    const [lo, hi] = windowOf(log);
    assert.ok(lo <= line && line <= hi, `${line} is in ${lo} to ${hi}`);
    assert.ok(line < 11 || lo < line - 9, 'with some before it');
    assert.ok(s.parts <= 22 && s.asked < 20, `${s.parts} parts, ${s.asked} questions`);
  }
  await log.around(n + 5);
  assert.equal(windowOf(log)[1], n, 'a line that is not there: the last one is');
});
test('the window of a log: one huge line at its end', async () => {
  const { s, log } = await opened([...repeat(1000, 100), 40 << 20]);
  assert.equal(log.before.peek(), 1000);
  assert.equal(log.zero() + log.buf.end, 1001);
  assert.ok(s.parts < 40);
});
test('the window of a log: what was asked last counts, and nothing is loaded for who left', async () => {
  const { s, log, leave } = await opened(repeat(400_000, 100)), held = [];
  s.slow = (line) => (line === 1 || line === 2 ? new Promise((r) => { held.push(r); }) : undefined);
  const first = log.around(1);
  assert.ok(log.away());
  assert.equal(await log.around(0), true);
  assert.equal(windowOf(log)[1], 400_000);
  for (const r of held.splice(0)) r();
  assert.equal(await first, false, 'it did not come to it');
  assert.deepEqual([windowOf(log)[1], log.state.peek(), log.away()], [400_000, 'done', false]);
  const second = log.around(2), parts = s.parts;
  leave();
  s.slow = undefined;
  for (const r of held.splice(0)) r();
  assert.equal(await second, false);
  assert.equal(s.parts, parts);
});
test('the window of a log: a question that fails says so and is asked again', async () => {
  const { s, log } = await opened(repeat(400_000, 100));
  s.slow = () => { throw new Error('away'); };
  assert.equal(await log.around(10), false);
  assert.deepEqual([log.state.peek(), log.error.peek().message], ['error', 'away']);
  s.slow = undefined;
  log.retry();
  while (log.state.peek() === 'loading') await new Promise((r) => { setImmediate(r); });
  assert.equal(windowOf(log)[0], 1);
});
test('lines that come in a gap of the stream are new', async () => {
  const { s, log } = await opened(repeat(500, 15_000), false);
  assert.equal(log.seen, 500);
  const had = s.bytes.length;
  s.bytes = Buffer.concat([s.bytes, Buffer.from(`${'x'.repeat(15_000)}\n`.repeat(30))]);
  s.on([{ type: 'log', data: { run: 1, from: had + 15_001, to: had + 30_002, text: `${'x'.repeat(15_000)}\n`, complete: false } }]);
  while (log.state.peek() === 'loading') await new Promise((r) => { setImmediate(r); });
  assert.deepEqual([log.buf.end, log.seen, log.state.peek()], [530, 500, 'live']);
});
