// The log view in Chromium: lines that are wrapped, their times, the rail beside the scroll bar, phases, links, and a log that never ends.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { check, LONG_MS, open, overflow, resting, shots, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const done = (s) => [...s.runs.values()].find((r) => r.state === 'done' && r.examples.failed > 0), going = (s) => [...s.runs.values()].find((r) => r.state === 'running');
/** A run whose log is these lines. */
function logOf(s, lines, r = done(s), complete = true) { s.logs.set(r.id, { bytes: Buffer.from(`${lines.join('\n')}\n`), complete }); return r; }
const address = (r, hash = '') => `/runs/${r.id}?tab=log${hash}`;
const rowsOf = (page) => page.evaluate(() => [...document.querySelectorAll('.lrow')].map((e) => { const r = e.getBoundingClientRect(); return { n: Number(e.querySelector('a').innerText), top: Math.round(r.top), bottom: Math.round(r.bottom), text: e.querySelector('code').textContent }; }));
/** The line that is at the top of the view. */
const topLine = (page) => page.evaluate(() => { const top = document.querySelector('.logbox').getBoundingClientRect().top; return Number([...document.querySelectorAll('.lrow')].find((e) => e.getBoundingClientRect().bottom > top + 2).querySelector('a').innerText); });
const scrollTo = (page, y) => page.evaluate((to) => { const b = document.querySelector('.logbox'); b.scrollTop = to < 0 ? b.scrollHeight : to; }, y);
const button = (page, name) => page.getByRole('button', { name, exact: true });

test('wrapped: every line is as high as it is, the line at the top stays, the end is the end', { skip }, async (t) => {
  const s = await fresh(t), words = (n) => Array.from({ length: n }, (_, k) => `w${k}${'-'.repeat(k % 7)}`).join(' ');
  const r = logOf(s, Array.from({ length: 3000 }, (_, i) => `${i + 1} ${i % 5 === 2 ? words(20 + (i % 90)) : i % 11 === 3 ? '日本語の行と🙂 '.repeat(12) : i % 13 === 4 ? 'a\tb\t'.repeat(40) : 'short'}`));
  const page = await open(t, address(r), { server: s });
  await page.locator('.lrow').first().waitFor();
  await scrollTo(page, 20_000);
  await soon.equal(() => topLine(page), 1001);
  const flat = await page.evaluate(() => document.querySelector('.logbox').scrollHeight);
  await page.keyboard.press('w');
  await page.locator('.log[data-wrap]').waitFor();
  await soon.equal(() => topLine(page), 1001, 'the line at the top stays');
  await soon.ok(async () => await page.evaluate(() => document.querySelector('.logbox').scrollHeight) > flat * 1.5);
  await soon.ok(() => page.evaluate(() => { const b = document.querySelector('.logbox'); return b.scrollWidth <= b.clientWidth; }), 'nothing is wider than the view');
  for (const y of [0, 5000, 31_000, -1]) {
    await scrollTo(page, y);
    await soon.ok(async () => {
      const all = await rowsOf(page), box = await page.locator('.logbox').boundingBox();
      return all.every((x, i) => !i || (x.top === all[i - 1].bottom && x.n === all[i - 1].n + 1)) && all[0].top <= box.y + 2 && all.at(-1).bottom >= box.y + box.height - 3;
    }, `rows follow each other and fill the view at ${y}`);
  }
  await soon.equal(async () => (await rowsOf(page)).at(-1).n, 3000);
  // How high a line is worked out to be is how high the browser makes it, or a row more for letters that are wide.
  await scrollTo(page, 9000);
  await resting(page, '.logbox');
  const off = await page.evaluate(() => [...document.querySelectorAll('.lrow')].filter((e) => /^\d+ [ -~]*$/.test(e.querySelector('code').textContent)).map((e) => [e.querySelector('code').getBoundingClientRect().height, parseFloat(e.style.minHeight || '20')]).filter(([a, b]) => a !== b));
  assert.deepEqual(off, []);
  const copied = await page.evaluate(() => {
    const rows = [...document.querySelectorAll('.lrow')].filter((e) => e.offsetHeight > 40).slice(0, 1), range = document.createRange(), sel = getSelection();
    range.selectNodeContents(rows[0].querySelector('code')); sel.removeAllRanges(); sel.addRange(range);
    return [sel.toString(), rows[0].querySelector('code').textContent];
  });
  assert.equal(copied[0], copied[1], 'a wrapped line is copied as one');
  await scrollTo(page, 12_000);
  await page.waitForFunction(() => [...document.querySelectorAll('.lrow > a')].some((a) => Number(a.innerText) > 300));
  await resting(page, '.logbox');
  const was = await topLine(page);
  await button(page, 'Wrap').click();
  await page.waitForFunction(() => !document.querySelector('.log[data-wrap]'));
  await soon.equal(() => topLine(page), was, 'and when they are not wrapped any more');
  await page.keyboard.press('w');
  await page.locator('.log[data-wrap]').waitFor();
  await page.reload();
  await page.locator('.log[data-wrap] .lrow').first().waitFor();
  await soon.equal(() => button(page, 'Wrap').getAttribute('aria-pressed'), 'true', 'it is kept');
  await soon.equal(async () => (await rowsOf(page)).at(-1).n, 3000, 'opened at its end');
  await page.setViewportSize({ width: 360, height: 700 });
  await soon.ok(async () => await overflow(page) <= 0);
  await soon.ok(() => page.evaluate(() => { const b = document.querySelector('.logbox'); return b.scrollWidth <= b.clientWidth; }));
  await soon.deepEqual(() => check(page), []);
  await page.screenshot({ path: path.join(shots, 'log-wrap-light-360.png') });
});

test('wrapped and followed: what comes is at the end, a link is in the middle, a jump finds its line', { skip }, async (t) => {
  const s = await fresh(t), r = going(s), page = await open(t, address(r), { server: s });
  await page.locator('.lrow').first().waitFor();
  await page.keyboard.press('w');
  for (let i = 0; i < 60; i++) s.write(r.id, `${i} ${'long '.repeat(i * 3)}\n`);
  s.write(r.id, 'the last one\n');
  await page.getByText('the last one').waitFor();
  await soon.ok(async () => { const b = await page.locator('.logbox').boundingBox(), l = await page.locator('.lrow').last().boundingBox(); return Math.abs(b.y + b.height - l.y - l.height) < 12; }, 'the last line ends where the view does');
  await page.mouse.move(500, 600);
  await page.mouse.wheel(0, -900);
  await soon.equal(() => button(page, 'Follow').getAttribute('aria-pressed'), 'false');
  await resting(page, '.logbox');
  const at = await topLine(page);
  s.write(r.id, 'one more\n');
  await page.getByRole('button', { name: 'Jump to latest, 1 new' }).waitFor();
  await soon.equal(() => topLine(page), at, 'nobody is moved');
  await page.getByRole('searchbox', { name: 'Search log' }).fill('30 long');
  await page.keyboard.press('Enter');
  await soon.match(() => page.locator('.lrow[data-cur] code').innerText(), /^30 long/);
  await page.locator('.logbox').press('End');
  await page.getByText('one more').waitFor();
  await soon.equal(() => button(page, 'Follow').getAttribute('aria-pressed'), 'true', 'End follows again');
  const other = await open(t, address(r, '#L30-L31'), { server: s });
  await other.locator('.lrow[data-cur]').nth(1).waitFor();
  await soon.ok(async () => { const b = await other.locator('.logbox').boundingBox(), l = await other.locator('.lrow[data-cur]').first().boundingBox(); return Math.abs(l.y - b.y - b.height / 2) < 30; });
  assert.equal(await other.locator('.latest').count(), 0, 'nothing came since it was opened');
});

test('a search of 100,000 lines: from where one looks, down and up, each hit in the middle', { skip }, async (t) => {
  const has = (i) => Math.floor(((i + 1) * 18_628) / 100_000) !== Math.floor((i * 18_628) / 100_000);
  const s = await fresh(t), lines = Array.from({ length: 100_000 }, (_, i) => `step ${i + 1}${has(i) ? ' Needle' : ''}`), hits = lines.flatMap((_, i) => (has(i) ? [i + 1] : [])), r = logOf(s, lines), page = await open(t, address(r), { server: s });
  await page.locator('.log .bar-of').getByText(/^100,000 lines, [\d.]+ MB$/).waitFor();   // all of it is there
  await scrollTo(page, 50_000 * 20);
  await soon.equal(() => topLine(page), 50_001);
  await page.getByRole('searchbox', { name: 'Search log' }).fill('needle');
  await soon.equal(() => page.locator('.find output').innerText(), '18,628');
  const first = hits.findIndex((l) => l >= 50_001), at = async (i, what) => {
    await soon.equal(() => page.locator('.find output').innerText(), `${(i + 1).toLocaleString('en-US')} of 18,628`, what);
    await soon.equal(() => page.locator('.lrow[data-cur] > a').innerText(), String(hits[i]), what);
    await soon.ok(async () => { const b = await page.locator('.logbox').boundingBox(), l = await page.locator('.lrow[data-cur]').boundingBox(); return Math.abs(l.y - b.y - b.height / 2) < 30; }, what);
  };
  for (let i = 0; i < 3; i++) { await page.keyboard.press('Enter'); await at(first + i, `Enter ${i + 1}`); }
  await page.keyboard.press('Shift+Enter');
  await at(first + 1, 'Shift+Enter');
  await page.getByRole('searchbox', { name: 'Search log' }).fill('NEEDLE');
  await soon.equal(() => page.locator('.find output').innerText(), 'no match', 'capitals count when there are some');
});

test('times: since the start and by the clock, of lines that come too, by keyboard, kept', { skip }, async (t) => {
  const s = await fresh(t), r = going(s);
  s.faults.pairs = 3;                                                   // of many answers one list
  for (let i = 0; i < 100; i++) s.write(r.id, `line ${i}\n`);
  const page = await open(t, address(r), { server: s });
  await page.locator('.lrow').first().waitFor();
  assert.equal(await page.locator('.lrow time').count(), 0);
  assert.ok(!s.seen.some((x) => x.includes('/log/times')), 'nobody asked for them');
  await page.getByRole('combobox', { name: 'Times of lines' }).selectOption('Since the start');
  await scrollTo(page, 0);
  const of = (n) => page.evaluate((want) => [...document.querySelectorAll('.lrow')].find((e) => e.querySelector('a').innerText === want)?.querySelector('time')?.textContent, String(n));
  await soon.equal(() => of(1), '0:00.000');
  await soon.equal(() => of(6), '0:00.250');
  await soon.equal(() => of(21), '0:01.000');
  await page.keyboard.press('f');
  s.write(r.id, 'the newest\n');
  const n = s.logs.get(r.id).bytes.toString().split('\n').length - 1;
  await soon.equal(() => of(n), `0:0${(Math.floor((n - 1) / 5) * 0.25).toFixed(3)}`, 'a line that came later');
  await page.keyboard.press('T');
  const clock = new Date(Date.parse(r.created_at) + Math.floor((n - 1) / 5) * 250).toTimeString().slice(0, 8);
  await soon.equal(async () => (await of(n))?.slice(0, 8), clock);
  await page.reload();
  await soon.equal(async () => (await of(n))?.slice(0, 8), clock, 'it is kept');
  await soon.deepEqual(() => check(page), []);
  await page.screenshot({ path: path.join(shots, 'log-times-light-1440.png') });
  await page.keyboard.press('T');
  await soon.equal(() => page.locator('.lrow time').count(), 0);
});

test('the rail: ticks where errors and hits are; a click goes there', { skip }, async (t) => {
  const s = await fresh(t), r = logOf(s, Array.from({ length: 1000 }, (_, i) => (i === 249 ? 'SomeError: first' : i === 749 ? 'SomeError: second' : i % 100 === 50 ? `${i} needle` : `${i}`))), page = await open(t, address(r), { server: s });
  await page.getByRole('button', { name: '2 error lines ↓' }).waitFor();
  const ticks = (which) => page.evaluate((w) => [...document.querySelector(`.rail path${w}`).getAttribute('d').matchAll(/M0 ([\d.]+)/g)].map((m) => Math.floor(m[1])), which);
  await soon.deepEqual(() => ticks('.t-fail'), [124, 374]);
  await page.getByRole('searchbox', { name: 'Search log' }).fill('needle');
  await soon.deepEqual(() => ticks(':first-child'), [25, 75, 125, 175, 225, 275, 325, 375, 425, 475]);
  const rail = await page.locator('.rail').boundingBox();
  await page.mouse.click(rail.x + 8, rail.y + rail.height * 0.752);
  await soon.match(() => page.locator('.lrow[data-cur] code').first().innerText(), /second|needle/);
  await page.getByRole('searchbox', { name: 'Search log' }).fill('');
  await soon.deepEqual(() => ticks(':first-child'), []);
  await page.mouse.click(rail.x + 8, rail.y + rail.height * 0.26);
  await page.waitForURL(/#L250$/);
  await soon.equal(() => page.locator('.lrow[data-cur] code').innerText(), 'SomeError: first');
  await soon.ok(async () => { const b = await page.locator('.logbox').boundingBox(), l = await page.locator('.lrow[data-cur]').boundingBox(); return l.y > b.y && l.y < b.y + b.height; });
});

test('phases before the script are folded when they went well, say how long they took, and hide no error', { skip }, async (t) => {
  const s = await fresh(t), many = (what, n) => Array.from({ length: n }, (_, i) => `${what} ${i}`);
  const r = logOf(s, ['[wrata: podman fetches image registry.example.org/qa/ruby:3.2]', ...many('layer', 29), '[wrata: prepare: step 1 of 2, gems: bundle install]', ...many('Using gem', 49), '[wrata: prepare: step 2 of 2, assets: npm ci]', 'npm warn', 'RuntimeError: in the middle', ...many('added', 7), '[wrata: prepared in 12.3 s]', '$ bundle exec rspec', ...many('step', 30)]);
  const page = await open(t, address(r), { server: s });
  await page.locator('.lrow').first().waitFor();
  await scrollTo(page, 0);
  await page.getByText('RuntimeError: in the middle').waitFor();
  await soon.deepEqual(async () => (await rowsOf(page)).slice(0, 5).map((x) => x.n), [1, 31, 81, 82, 83], 'numbers are those of the log');
  await soon.deepEqual(() => page.locator('.phase').allInnerTexts(), ['▸ 29 lines, 1.5 s', '▸ 49 lines, 2.5 s', '9 lines, 500 ms']);
  await soon.deepEqual(() => check(page), []);
  await page.screenshot({ path: path.join(shots, 'log-phases-light-1440.png') });
  await page.locator('button.phase').first().click();
  await page.getByText('layer 28').waitFor();
  await soon.equal(() => page.locator('button.phase').first().getAttribute('aria-expanded'), 'true');
  await page.getByRole('searchbox', { name: 'Search log' }).fill('Using gem 17');
  await soon.equal(() => page.locator('.find output').innerText(), '1');
  await page.keyboard.press('Enter');
  await soon.equal(() => page.locator('.lrow[data-cur] code').innerText(), 'Using gem 17', 'a hit opens what hides it');
  await page.keyboard.press('Escape');
  await page.locator('.logbox').focus();
  await button(page, 'Fold preparation').press('e');
  await scrollTo(page, 0);
  await soon.deepEqual(() => page.locator('button.phase').allInnerTexts(), ['▸ 29 lines, 1.5 s', '▸ 49 lines, 2.5 s']);
  await page.keyboard.press('e');
  await scrollTo(page, 0);
  await page.getByText('layer 3', { exact: true }).waitFor();
});

test('addresses become links, nothing else does', { skip }, async (t) => {
  const s = await fresh(t), r = logOf(s, ['\x1b[31mopen https://qa.example.org/doc?id=1#L5 now\x1b[0m', '<a href="javascript:alert(1)">x</a> javascript://a/%0aalert(1)', 'end']), page = await open(t, address(r), { server: s });
  const link = page.locator('.lrow code a');
  await link.waitFor();
  assert.deepEqual(await link.evaluate((a) => [a.getAttribute('href'), a.rel, a.target, a.innerText]), ['https://qa.example.org/doc?id=1#L5', 'noopener noreferrer', '_blank', 'https://qa.example.org/doc?id=1#L5']);
  await page.context().route('https://qa.example.org/**', (x) => x.fulfill({ body: 'there' }));
  const [there] = await Promise.all([page.context().waitForEvent('page'), link.click()]);
  await there.getByText('there').waitFor();
  assert.equal(await there.evaluate(() => window.opener), null);
  assert.equal(new URL(page.url()).hash, '', 'its #L5 is no line of this log');
  await soon.deepEqual(() => check(page), []);
});

test('a link stays one link and what it is: with a hit in it, and under whoever takes hold of it while lines come', { skip }, async (t) => {
  const s = await fresh(t), r = going(s), page = await open(t, address(r), { server: s }), link = page.locator('.lrow code a'), follow = () => button(page, 'Follow').getAttribute('aria-pressed');
  const more = (n) => s.write(r.id, Array.from({ length: n }, (_, i) => `${`${i} `.padEnd(100, 'and waits ')}\n`).join(''));
  await page.locator('.lrow').first().waitFor();
  for (const hold of [() => link.focus(), async () => { const b = await link.boundingBox(); await page.mouse.move(b.x + 20, b.y + b.height / 2); await page.mouse.down(); }]) {
    s.write(r.id, `\x1b[31msee https://qa.exa\x1b[32mmple.org/${'x'.repeat(100)}\x1b[0m now\n`);
    await link.waitFor();
    await hold();
    await soon.equal(follow, 'false');
    const was = await link.getAttribute('href');
    more(200);
    await page.locator('.latest').waitFor();
    assert.deepEqual([await link.count(), await link.getAttribute('href')], [1, was], 'it is there still');
    await page.getByRole('searchbox', { name: 'Search log' }).fill('example.org');
    await link.locator('.hit').nth(1).waitFor();
    assert.deepEqual([await link.count(), await link.innerText()], [1, was]);
    await page.getByRole('searchbox', { name: 'Search log' }).fill('');
    await page.mouse.move(5, 5);
    await page.mouse.up();
    await page.locator('.latest').click();
    await link.waitFor({ state: 'detached' });
  }
});

test('Enter where nothing is found does not take somebody away later', { skip }, async (t) => {
  const s = await fresh(t), r = going(s), page = await open(t, address(r), { server: s }), box = page.getByRole('searchbox', { name: 'Search log' }), line = (text) => s.write(r.id, `${text.padEnd(15_000, ' and so on')}\n`);
  await page.locator('.lrow').first().waitFor();
  const errors = async () => Number((await page.getByRole('button', { name: /error lines? ↓/ }).innerText()).split(' ')[0]);
  line('fatal: first');
  await soon.ok(async () => await errors() > 0);
  const had = await errors();
  for (const [what, then] of [['one', async () => { for (let i = 1; i < 5; i++) { line('fatal: again'); await soon.equal(errors, had + i); } }], ['two', () => page.locator('.logbox').press('End')]]) {
    await box.fill(`needle ${what}`);
    await box.press('Enter');
    await then();
    line(`a needle ${what}`);
    await page.locator('.find output').getByText(/^1$/).waitFor();
    await page.locator('.lrow code').getByText(`a needle ${what}`).waitFor();
    line('the last');
    await soon.equal(async () => (await rowsOf(page)).at(-1).text.slice(0, 8), 'the last');
    assert.deepEqual([await button(page, 'Follow').getAttribute('aria-pressed'), await page.locator('.lrow[data-cur]').count()], ['true', 0]);
  }
});

test('a link to a line behind long lines: it is asked for once', { skip }, async (t) => {
  const s = await fresh(t), r = logOf(s, Array.from({ length: 1500 }, (_, i) => `line ${i + 1} `.padEnd(34_000, 'and so on '))), page = await open(t, address(r, '#L700'), { server: s });
  const asked = () => page.evaluate(() => performance.getEntriesByType('resource').filter((e) => /\/log\?from=/.test(e.name)).length);
  await page.locator('.lrow[data-cur] code').getByText('line 700 ').waitFor({ timeout: LONG_MS });
  await soon.match(() => page.locator('.log .bar-of').innerText(), /, a part/);
  const n = await asked();
  assert.ok(n < 60, `${n} parts`);
  await page.keyboard.press('T');
  await page.locator('.lrow[data-cur] time').waitFor();
  assert.equal(await asked(), n);
  await page.getByRole('button', { name: 'From the first line' }).click();
  await soon.equal(() => topLine(page), 1);
  await page.getByRole('button', { name: 'Its end' }).click();
  await soon.equal(async () => (await rowsOf(page)).at(-1)?.n, 1500);
});

test('a log without an end: the newest lines are kept, whoever reads is not moved, the rest is a press away', { skip }, async (t) => {
  const s = await fresh(t), r = going(s), page = await open(t, address(r), { server: s, quiet: false });
  await page.locator('.lrow').first().waitFor();
  let n = s.logs.get(r.id).bytes.toString().split('\n').length - 1;
  const write = (lines) => { s.write(r.id, Array.from({ length: lines }, (_, i) => `line ${n + i + 1}`).join('\n') + '\n'); n += lines; };
  const says = () => page.locator('.log .note').innerText();
  for (let i = 0; i < 24; i++) write(10_000);
  await soon.match(says, new RegExp(`^Showing lines [\\d,]+ to ${n.toLocaleString('en-US')} of ${n.toLocaleString('en-US')}\\.`));
  await soon.equal(async () => (await rowsOf(page)).at(-1).text, `line ${n}`);
  const from = Number((await says()).match(/lines ([\d,]+)/)[1].replace(/,/g, ''));
  assert.ok(n - from < 220_001 && n - from > 199_000, `${from} to ${n}`);
  await page.mouse.move(500, 600);
  await page.mouse.wheel(0, -3000);
  await soon.equal(() => button(page, 'Follow').getAttribute('aria-pressed'), 'false');
  await resting(page, '.logbox');
  const top = await topLine(page), text = `line ${top}`;
  for (let i = 0; i < 22; i++) write(10_000);
  await page.waitForFunction((want) => Number(document.querySelector('.latest')?.innerText.replace(/\D/g, '')) > want, 150_000, { timeout: LONG_MS });
  await soon.equal(() => topLine(page), top);
  await soon.ok(async () => (await rowsOf(page)).some((x) => x.n === top && x.text === text), 'a line has its own number still');
  await page.getByRole('button', { name: 'Load earlier' }).click();
  await soon.match(says, new RegExp(`^Showing lines [\\d,]+ to [\\d,]+ of ${n.toLocaleString('en-US')}\\.`));
  await soon.equal(() => topLine(page), from, 'the line that was the first is where it was');
  await soon.ok(async () => (await rowsOf(page)).some((x) => x.n === from && x.text === `line ${from}`));
  await page.getByRole('button', { name: 'Load later' }).waitFor();
  await page.getByRole('button', { name: 'Its end' }).click();
  await soon.equal(async () => (await rowsOf(page)).at(-1)?.text, `line ${n}`);
  await soon.equal(async () => (await rowsOf(page)).at(-1)?.n, n);
  write(5);
  await soon.equal(async () => (await rowsOf(page)).at(-1)?.n, n, 'and it is live again');
});

for (const scheme of ['light', 'dark']) for (const width of [1440, 360]) test(`with all of it, ${scheme} at ${width}: axe, no sideways scroll`, { skip }, async (t) => {
  const s = await fresh(t), r = done(s), was = s.logs.get(r.id).bytes.toString(), lines = ['[wrata: prepare: step 1 of 2, gems: bundle install]', ...Array.from({ length: 20 }, (_, i) => `Using gem-${i} 1.0`), '[wrata: prepare: step 2 of 2, assets: npm ci]', 'added 812 packages', 'audited', '[wrata: prepared in 12.3 s]', ...was.split('\n').slice(0, -1), 'a line that is long: '.padEnd(700, 'and goes on, ')];
  logOf(s, lines, r);
  const page = await open(t, address(r), { server: s, scheme, width, height: 900, reducedMotion: 'reduce' });
  await button(page, 'Fold preparation').waitFor();
  await page.keyboard.press('w');
  await page.keyboard.press('T');
  await page.getByRole('searchbox', { name: 'Search log' }).fill('retry');
  await page.locator('.find output').getByText(/^\d/).waitFor();
  await scrollTo(page, 0);
  await page.locator('.phase').first().waitFor();
  await soon.deepEqual(() => check(page), []);
  await soon.ok(async () => await overflow(page) <= 0);
  await page.screenshot({ path: path.join(shots, `log-all-${scheme}-${width}.png`) });
});
