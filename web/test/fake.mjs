// A stand-in for the server: the built page under its real headers, the API of docs/http-api.md with launches that go on by
// themselves, and the live stream with resume and reset. For the tests of the page, and `npm run fake` to look at it.
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { accounts as makeAccounts } from './fake_accounts.mjs';
import { insight as makeInsight } from './fake_insight.mjs';
import { admin as makeAdmin } from './fake_admin.mjs';
import { history as makeHistory } from './fake_history.mjs';
import { lists as makeLists } from './fake_lists.mjs';
import { queue as makeQueue } from './fake_queue.mjs';
import { serverOps } from './fake_servers.mjs';
import { work as makeWork } from './fake_work.mjs';
import { lateness } from './slow.mjs';

const DIST = path.join(path.dirname(fileURLToPath(import.meta.url)), '../dist');
export const CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types hub";
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml', '.json': 'application/json', '.woff2': 'font/woff2' };

const AREAS = ['documents', 'spreadsheets', 'presentations', 'forms', 'portal/login', 'mail', 'calendar', 'settings/backup'];
const WHAT = ['paste_special', 'conditional_format', 'track_changes', 'pivot_table', 'sso_saml', 'mail_merge', 'slide_animation', 'chart_axis', 'rtl_text', 'comments_resolve', 'formula_array', 'export_pdf', 'version_history'];
const E = '\x1b[';
const zero = () => ({ discovered: 0, passed: 0, failed: 0, pending: 0, not_run: 0, errors: 0 });
const WORST = ['infrastructure', 'error', 'timed_out', 'failed', 'no_tests', 'stopped', 'passed'];

export async function start({ port = 0, empty = false, speed = 1, keep = 2000, accounts = null, files = 212 } = {}) {
  const acc = makeAccounts(accounts), late = lateness();
  let seed = 7;
  const rnd = () => ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff);
  const pick = (a) => a[(rnd() * a.length) | 0];
  const t0 = Date.now(), iso = (ms) => new Date(ms).toISOString();
  const servers = new Map(), launches = new Map(), tests = new Map(), runs = new Map(), examples = [], logs = new Map();
  const project = { id: 1, name: 'docs' }, commit = '4e1c9a07b3d2f6581c0e7a94d3b86f2519ac4e70';
  const artifacts = new Map();
  // A PNG of one grey pixel.
  const PIXEL = Buffer.from('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNogAIAAIIAgZ1yQ5sAAAAASUVORK5CYII=', 'base64');
  const faults = { status: new Map(), delay: 0, gate: null, down: false, pairs: 10_000 }, seen = [];
  let next = { launch: 7, test: 1, run: 341 };

  // ---- the stream ----
  let rev = 1000;
  const history = [], streams = new Set();
  function send(topics, type, data) {
    const e = { id: ++rev, topics, type, data: JSON.stringify(data) };
    history.push(e);
    if (history.length > keep) history.shift();
    for (const s of streams) deliver(s, e);
  }
  const deliver = (s, e) => { if (e.topics.some((t) => s.topics.has(t))) s.say(`id: ${e.id}\nevent: ${e.type}\ndata: ${e.data}\n\n`); };
  const sendServer = (s) => send(['servers'], 'server', s);
  const sendLaunch = (l) => send(['launches', `launch:${l.id}`], 'launch', l);
  const sendTest = (t) => send([`launch:${t.launch}`], 'test', t);
  const sendRun = (r) => send([`launch:${r.launch}`, `run:${r.id}`], 'run', r);
  const sendExample = (r, x) => send([`run:${r.id}`, ...(x.status === 'passed' ? [] : [`launch:${r.launch}`])], 'example', x);
  function sendLog(run, from, text, complete) {
    const l = logs.get(run), to = (l.gone ?? 0) + l.bytes.length;
    for (const s of streams) if (s.logs.has(run)) s.say(`id: ${rev}\nevent: log\ndata: ${JSON.stringify({ run, from, to, text, complete })}\n\n`);
  }
  function write(run, text, complete = false) {
    const l = logs.get(run), from = (l.gone ?? 0) + l.bytes.length;
    l.bytes = Buffer.concat([l.bytes, Buffer.from(text)]);
    l.complete ||= complete;
    runs.get(run).log_bytes = (l.gone ?? 0) + l.bytes.length;
    sendLog(run, from, text, l.complete);
  }

  const queue = makeQueue({ tests, launches, send, iso, commit });

  // ---- what happens ----
  const FAILS = [
    ['RSpec::Expectations::ExpectationNotMetError', 'expected: "thin"\n     got: nil\n\n(compared using ==)', 118],
    ['Selenium::WebDriver::Error::ElementNotInteractableError', 'element not interactable: #toolbar > .btn-12\n  (Session info: chrome=156.0.8078.79)', 42],
    ['Net::ReadTimeout', 'Net::ReadTimeout with #<TCPSocket:(closed)>', 77],
    ['RSpec::Expectations::ExpectationNotMetError', 'expected no difference\n\nDiff:\n@@ -1,4 +1,4 @@\n-Total: 1 200,00 €\n+Total: 1200.00 €\n Rows: 14\n <img src=x onerror=alert(1)>', 203],
  ];
  function addLaunch(ago, total, name, ref) {
    const l = { id: next.launch++, name, user: acc.owner(), state: 'running', outcome: null, reason: '', project, ref, commit, order: 'finish-soonest', created_at: iso(t0 - ago), started_at: iso(t0 - ago + 900), ended_at: null,
      tests: { total, waiting: total, running: 0, passed: 0, failed: 0, error: 0, no_tests: 0, timed_out: 0, stopped: 0, infrastructure: 0 }, examples: zero(), eta_ms: null, cost_usd: 0 };
    launches.set(l.id, l);
    for (let i = 0; i < total; i++) {
      const id = next.test++;
      tests.set(id, { id, launch: l.id, path: `spec/${AREAS[i % AREAS.length]}/${WHAT[(i * 5) % WHAT.length]}_${String(i).padStart(3, '0')}_spec.rb`, state: 'waiting', outcome: null, attempts: 0, run: null, why: `every slot is busy; ${i} tests are ahead` });
    }
    return l;
  }
  function begin(t, s, slot, at) {
    const l = launches.get(t.launch), id = next.run++;
    const r = { id, launch: l.id, test: t.id, attempt: 1, path: t.path, server: { id: s.id, name: s.name }, slot, state: 'running', outcome: null, reason: '', exit_code: null, signal: null,
      created_at: iso(at - 400), started_at: iso(at), ended_at: null, duration_ms: null, cpu_ms: null, max_rss_kib: null, examples: { ...zero(), discovered: 8 + ((rnd() * 40) | 0) }, not_run_reason: '', log_bytes: 0, commit, seq: 0 };
    runs.set(id, r);
    logs.set(id, { bytes: Buffer.alloc(0), complete: false });
    Object.assign(t, { state: 'running', run: id, attempts: 1, why: '' });
    l.tests.waiting--; l.tests.running++;
    if (history.length) queue.taken();
    s.running.push({ run: id, path: t.path, launch: l.id, slot, started_at: r.started_at, examples: r.examples });
    write(id, `${E}1m$ bundle exec rspec --require wrata_rspec.rb ${t.path}${E}0m\nRun options: ${E}36mexclude {:slow=>true}${E}0m\n\nPivot table\n`);
    return r;
  }
  const clean = ({ seq: _, ...r }) => r;
  /** A run left a file; `x`: the example it belongs to. */
  function leave(r, name, type, inline, body, x = null) {
    const a = { id: 800 + artifacts.size, run: r.id, launch: r.launch, path: name, bytes: body.length, modified_at: iso(t0), type, inline, example: x ? x.seq : null };
    artifacts.set(a.id, { ...a, body });
    if (x) (x.artifacts ??= []).push(a.id);
    send([`run:${r.id}`, `launch:${r.launch}`], 'artifacts', { launch: r.launch, run: r.id });
    return a;
  }
  function one(r, status) {
    const l = launches.get(r.launch), n = ++r.seq, f = pick(FAILS), group = n % 3 ? 'copies style' : 'sorts';
    const x = { run: r.id, seq: n, id: `./${r.path}[1:${n}]`, path: ['Pivot table', group, `${['keeps borders', 'keeps fill', 'opens the document', 'pastes values', 'undoes it'][n % 5]} of cell ${n}`], file: `./${r.path}`, line: 10 + n * 6, status,
      duration_ms: Math.round(rnd() * 24000) / 10, exception: null, message: null, backtrace: null, pending: null };
    if (status === 'failed') Object.assign(x, { exception: f[0], message: f[1], backtrace: ['/usr/lib/ruby/gems/3.1.0/gems/selenium-webdriver-4.8.0/lib/selenium/webdriver/remote/response.rb:52:in `assert_ok\'', `./${r.path}:${f[2]}:in \`block (3 levels) in <top (required)>'`, './spec/support/wait_helper.rb:31:in `wait_until\'', '/usr/lib/ruby/gems/3.1.0/gems/rspec-core-3.12.0/lib/rspec/core/example.rb:263:in `run\''] });
    if (status === 'error') Object.assign(x, { id: '', path: [], exception: 'NameError', message: `An error occurred while loading ./${r.path}.\nuninitialized constant PivotTabel`, backtrace: [`./${r.path}:1:in \`<top (required)>'`], duration_ms: null });
    if (status === 'pending') x.pending = 'bug 51234';
    examples.push(x);
    const key = status === 'error' ? 'errors' : status;
    r.examples[key]++; l.examples[key]++;
    const mark = { passed: `${E}32m  ✓ `, failed: `${E}31;1m  ✗ `, pending: `${E}33m  ◦ `, error: `${E}31m` }[status];
    write(r.id, `${mark}${x.path.at(-1) ?? x.message}${E}0m ${E}90m(${x.duration_ms} ms)${E}0m\n${n % 4 ? '' : `     ${E}38;5;244m# retry=${n % 3}; https://qa.example/products/files/doceditor?fileid=${n}${E}0m\n`}${status === 'failed' ? `     ${E}31m${x.message.split('\n').join(`\n     `)}${E}0m\n     ${E}36m# ${x.backtrace[1]}${E}0m\n` : ''}`);
    sendExample(r, x);
  }
  function finish(r, outcome, at, reason) {
    const l = launches.get(r.launch), t = tests.get(r.test), s = servers.get(r.server.id);
    write(r.id, `\n${outcome === 'passed' ? `${E}32m` : `${E}31m`}${r.examples.passed + r.examples.failed} examples, ${r.examples.failed} failures${E}0m\n`, true);
    const signal = outcome === 'timed_out' || outcome === 'stopped' ? 15 : null;
    Object.assign(r, { state: 'done', outcome, reason, exit_code: signal ? null : outcome === 'passed' || outcome === 'no_tests' ? 0 : 1, signal, ended_at: iso(at), duration_ms: at - Date.parse(r.started_at), cpu_ms: 1200, max_rss_kib: 153000 });
    Object.assign(t, { state: 'done', outcome });
    l.tests.running--; l.tests[outcome]++; l.cost_usd += r.duration_ms * 2.5e-9;
    s.running = s.running.filter((x) => x.run !== r.id);
    sendRun(clean(r)); sendTest(t); sendServer(s);
    if (!l.tests.waiting && !l.tests.running) Object.assign(l, { state: 'done', outcome: WORST.find((o) => l.tests[o]), ended_at: iso(at), eta_ms: null });
    sendLaunch(l);
  }
  function step(r) {
    const e = r.examples, n = e.passed + e.failed + e.pending, roll = rnd();
    const l = launches.get(r.launch);
    if (n === 0 && r.test % 41 === 40) { e.discovered = 0; one(r, 'error'); return finish(r, 'error', Date.now(), 'an error outside of examples'); }
    if (n < e.discovered) { one(r, roll < 0.955 ? 'passed' : roll < 0.975 ? 'pending' : 'failed'); l.examples.discovered = Math.max(l.examples.discovered, l.examples.passed + l.examples.failed + l.examples.pending); return undefined; }
    return finish(r, e.failed ? 'failed' : 'passed', Date.now(), e.failed ? `${e.failed} of ${e.discovered} examples failed` : 'the process exited with 0');
  }
  if (!empty) {
    for (let i = 1; i <= 12; i++) servers.set(i, { id: i, name: i === 1 ? 'local-1' : `qa-${String(i).padStart(2, '0')}`, fleet: i === 1 ? 'local' : 'ssh', address: i === 1 ? '' : `10.0.0.${i}`, port: 22, user: 'qa', slots: i === 1 ? 2 : 1, status: 'created', link: i === 11 ? 'lost' : i === 12 ? 'connecting' : i === 10 ? 'offline' : 'online', reason: i === 11 ? 'no heartbeat for 40 s' : i === 10 ? 'connection refused' : '', since: iso(t0 - i * 61_000), agent: '0.1.0', facts: 'Linux x86_64, cgroup v1', running: [] });
    for (const [ago, outcome, name] of [[9e7, 'passed', 'nightly'], [5e7, 'failed', 'nightly'], [2e7, 'stopped', ''], [9e6, 'timed_out', 'smoke'], [6e6, 'no_tests', '']]) {
      const l = addLaunch(ago, 6, name, outcome === 'passed' ? 'main' : 'release/9.1'), mine = [...tests.values()].filter((t) => t.launch === l.id);
      mine.forEach((t, i) => {
        const at = t0 - ago + 2000 + i * 1000, r = begin(t, servers.get(2 + (i % 7)), 0, at), o = i === 2 ? outcome : 'passed';
        if (o !== 'no_tests') for (let k = 0; k < r.examples.discovered; k++) one(r, o === 'failed' && k % 9 === 4 ? 'failed' : k === 3 ? 'pending' : 'passed'); else r.examples.discovered = 0;
        l.examples.discovered += r.examples.discovered;
        finish(r, o, at + 41_000 + i * 7000, { passed: 'the process exited with 0', failed: 'examples failed', stopped: 'stopped by a user', timed_out: 'longer than 1 h 00 m', no_tests: 'the file holds no examples' }[o]);
      });
    }
    const l = addLaunch(420_000, 140, 'regression', 'develop');
    l.examples.discovered = 140 * 24;
    for (const t of [...tests.values()].filter((x) => x.launch === l.id)) {
      if (t.id % 140 > 90) { if (l.tests.waiting < 60) break; }
      const s = servers.get(1 + (t.id % 9)), at = t0 - 400_000 + (t.id % 90) * 3000, r = begin(t, s, 0, at);
      if (t.id % 23 === 5) { finish(r, 'infrastructure', at + 900, 'bundle install failed with status 5'); continue; }
      if (t.id % 41 === 40) { r.examples.discovered = 0; one(r, 'error'); finish(r, 'error', at + 2000, 'an error outside of examples'); continue; }
      for (let k = 0; k < r.examples.discovered; k++) one(r, rnd() < 0.97 ? 'passed' : rnd() < 0.5 ? 'pending' : 'failed');
      finish(r, r.examples.failed ? 'failed' : 'passed', at + 20_000 + rnd() * 40_000, r.examples.failed ? `${r.examples.failed} of ${r.examples.discovered} examples failed` : 'the process exited with 0');
    }
    for (const s of servers.values()) for (let slot = 0; s.link === 'online' && s.id !== 9 && slot < s.slots; slot++) {
      const t = [...tests.values()].find((x) => x.state === 'waiting');
      const r = begin(t, s, slot, t0 - 5000 - s.id * 7100);
      for (let k = 0; k < r.examples.discovered * (s.id / 12); k++) one(r, rnd() < 0.95 ? 'passed' : 'failed');
    }
    for (const r of runs.values()) {
      const x = examples.find((e) => e.run === r.id && e.status === 'failed');
      if (!x || r.state !== 'done') continue;
      leave(r, 'tmp/screenshots/pivot_table.png', 'image/png', true, PIXEL, x);
      leave(r, 'tmp/screenshots/pivot_table.html', 'text/html', false, Buffer.from('<p>page</p>'), x);
      leave(r, 'tmp/browser.log', 'text/plain', true, Buffer.from('console: nothing\n'.repeat(900)));
    }
    queue.add([...tests.values()].filter((t) => t.state === 'waiting'), 'end');
    history.length = 0;
  }
  let beat = 0;
  const timer = speed && setInterval(() => {
    beat++;
    for (const r of runs.values()) if (r.state === 'running' && (r.id + beat) % 3 === 0) step(r);
    for (const s of servers.values()) {
      while (s.link === 'online' && s.id !== 9 && s.running.length < s.slots) {
        const t = queue.next();
        if (!t) break;
        const r = begin(t, s, s.running.length, Date.now());
        sendTest(t); sendRun(clean(r)); sendServer(s);
      }
      if (s.running.length && beat % 2 === 0) sendServer(s);
    }
    for (const l of launches.values()) if (l.state === 'running') { l.eta_ms = (l.tests.waiting + l.tests.running) * 9000; if (beat % 2) sendLaunch(l); }
  }, 250 / speed);
  const ping = setInterval(() => { for (const s of streams) s.res.write(': ping\n\n'); }, 15_000);
  if (!empty) for (const l of launches.values()) if (l.state === 'running') l.eta_ms = 840_000;

  const work = makeWork({ iso, t0, files, bare: empty, launches, tests, next, acc, sendLaunch, sendQueue: queue.add, commit });
  const lists = makeLists({ iso, t0, work, acc, bare: empty });
  const past = makeHistory({ iso, launches, runs, tests, work, acc, send, clean });
  const tables = makeAdmin({ iso, work, fleet: () => fleet, past: () => past });
  const insight = makeInsight({ launches, runs, examples, tests, send });
  const fleet = serverOps({ iso, t0, servers, acc, send, sendServer, faults });

  // ---- HTTP ----
  const json = (res, status, body) => { res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' }); res.end(JSON.stringify(body)); };
  const error = (res, status, code, message, more = {}) => json(res, status, { error: { code, message, request_id: `r-${(rev & 255).toString(16)}`, ...more } });
  const page = (res, u, items) => {
    const limit = Number(u.searchParams.get('limit') ?? 50), from = Number(u.searchParams.get('cursor') ?? 0);
    json(res, 200, { items: items.slice(from, from + limit), next: from + limit < items.length ? String(from + limit) : null });
  };
  const among = (u, key, value) => { const w = u.searchParams.get(key); return !w || w.split(',').includes(String(value)); };
  const status = () => {
    const all = [...servers.values()], on = all.filter((s) => s.link === 'online'), going = [...launches.values()].filter((l) => l.state === 'running');
    return { version: '0.1.0', instance: 'fake', started_at: iso(t0), data: '/tmp', servers: { total: all.length, online: on.length, slots: on.reduce((n, s) => n + s.slots, 0), busy: all.reduce((n, s) => n + s.running.length, 0) }, launches: { running: going.length }, tests: { waiting: going.reduce((n, l) => n + l.tests.waiting, 0), running: going.reduce((n, l) => n + l.tests.running, 0) } };
  };
  async function api(req, res, u) {
    const p = u.pathname.slice('/api/v1'.length), who = acc.who(req);
    const body = req.method === 'POST' ? await new Promise((done) => { let s = ''; req.on('data', (c) => { s += c; }).on('end', () => done(s ? JSON.parse(s) : {})); }) : {};
    if (await acc.answer({ req, res, u, p, who, body, json, error, page })) return undefined;
    if (tables.answer({ u, p, who, body, req, res, json, error })) return undefined;
    if (fleet.answer({ req, res, u, p, who, body, json, error, page })) return undefined;
    if (lists.answer({ req, res, u, p, who, body, json, error, page })) return undefined;
    if (queue.answer({ req, res, u, p, body, json, error })) return undefined;
    if (await work.answer({ req, res, u, p, who, body, json, error, page })) return undefined;
    if (insight.answer({ u, p, req, res, json, error })) return undefined;
    if (past.answer({ req, res, u, p, who, body, json, error, page })) return undefined;
    const lines = /^\/runs\/(\d+)\/log\/(search|lines|times)$/.exec(p);
    if (lines && lines[2] === 'times' && logs.has(Number(lines[1]))) return json(res, 200, printed(runs.get(Number(lines[1])), logs.get(Number(lines[1])), u.searchParams));
    if (lines && logs.has(Number(lines[1]))) return json(res, 200, byLines(logs.get(Number(lines[1])), lines[2], u.searchParams));
    const m = /^\/(launches|runs|servers)\/(\d+)(?:\/(\w+))?$/.exec(p), kept = /^\/artifacts\/(\d+)$/.exec(p), zip = /^\/(launches|runs)\/(\d+)\/artifacts\.zip$/.exec(p);
    if (kept || zip) {
      const a = kept && artifacts.get(Number(kept[1]));
      if (kept && !a) return error(res, 404, 'NOTFOUND', `there is no artifact ${kept[1]}`);
      const save = zip || !a.inline || u.searchParams.has('download');
      res.writeHead(200, { 'content-type': zip ? 'application/zip' : a.type, 'content-disposition': `${save ? 'attachment' : 'inline'}; filename="${zip ? `${zip[1].replace(/e?s$/, "")}-${zip[2]}-artifacts.zip` : path.basename(a.path)}"`, 'content-security-policy': 'sandbox', 'x-content-type-options': 'nosniff' });
      return res.end(zip ? Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1') : a.body);
    }
    if (p === '/stream') return stream(req, res, u);
    if (p === '/status') return json(res, 200, status());
    if (p === '/board') return json(res, 200, { rev: String(rev), status: status(), servers: [...servers.values()], launches: [...launches.values()].reverse() });
    if (p === '/servers') return page(res, u, [...servers.values()]);
    if (!m) return error(res, 404, 'NOTFOUND', `there is no ${p}`);
    const thing = { launches, runs, servers }[m[1]].get(Number(m[2]));
    if (!thing) return error(res, 404, 'NOTFOUND', `there is no ${m[1].replace(/e?s$/, '')} ${m[2]}`);
    if (!m[3]) return json(res, 200, m[1] === 'runs' ? past.whole(thing) : thing);
    if (m[3] === 'tests') return page(res, u, [...tests.values()].filter((t) => t.launch === thing.id && among(u, 'state', t.state) && among(u, 'outcome', t.outcome)));
    if (m[3] === 'examples') return page(res, u, examples.filter((x) => (m[1] === 'runs' ? x.run === thing.id : runs.get(x.run).launch === thing.id) && among(u, 'status', x.status)));
    const env = [{ name: 'SPEC_USER', value: 'qa\n<b>two lines</b>', secret: false }, { name: 'TOKEN', value: null, secret: true }, { name: 'OWN', value: null, secret: false }];
    if (m[3] === 'parameters') return json(res, 200, { launch: thing.id, retries: 2, time_limit_s: 3600, silence_limit_s: 0, lease_s: 120, servers: [{ id: 1, name: 'local-1' }], artifacts: ['tmp/shots/**'], env });
    if (m[3] === 'command') return json(res, 200, { run: thing.id, argv: ['bundle', 'exec', 'rspec', thing.path, "it's <i>here</i>"], report: 'rspec', reports: [], time_limit_s: 60, silence_limit_s: 0, env: [...env, { name: 'WRATA_RUN_ID', value: String(thing.id), secret: false }] });
    if (m[3] === 'artifacts') return page(res, u, [...artifacts.values()].filter((a) => (m[1] === 'runs' ? a.run : a.launch) === thing.id).map(({ body: _, ...a }) => a));
    if (m[3] === 'stop' && req.method === 'POST') { if (!acc.mayStop(who, m[1] === 'launches' ? thing : launches.get(thing.launch))) return error(res, 403, 'DENIED', 'only who started it and admins stop it'); return stop(res, m[1], thing); }
    if (m[3] === 'log') {
      const l = logs.get(thing.id), from = Math.min(Number(u.searchParams.get('from') ?? 0), l.bytes.length), max = Number(u.searchParams.get('max') ?? 262144);
      const body = u.searchParams.has('download') ? l.bytes : l.bytes.subarray(from, from + max);
      res.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', 'x-log-from': from, 'x-log-to': from + body.length, 'x-log-size': l.bytes.length, 'x-log-complete': l.complete ? 1 : 0, ...(u.searchParams.has('download') ? { 'content-disposition': 'attachment' } : {}) });
      return res.end(body);
    }
    return error(res, 404, 'NOTFOUND', `there is no ${p}`);
  }
  /** When lines were printed: five at a time, every quarter of a second since the run began. At most `pairs` an answer. */
  function printed(r, l, ask) {
    const n = l.bytes.toString().split('\n').length - 1, from = Number(ask.get('from_line') ?? 1), to = Math.min(n, from + Number(ask.get('lines') ?? n) - 1), times = [], at = (line) => Math.floor((line - 1) / 5);
    for (let line = from; line <= to; line = at(line) * 5 + 6) {
      if (times.length === faults.pairs) return { times, next_line: line };
      times.push([line, Date.parse(r.created_at) + at(line) * 250]);
    }
    return { times, next_line: null };
  }
  /** A log by its lines: one from a number on, or those that hold a text. */
  function byLines(l, what, ask) {
    const all = l.bytes.toString().split('\n'), plain = (s) => s.replace(/\x1b\[[0-9;]*m/g, ''), out = [];
    if (all.at(-1) === '') all.pop();
    const from = Number(ask.get(what === 'search' ? 'from_line' : 'line') ?? 1), first = from < 0 ? all.length + from + 1 : from, q = ask.get('q'), limit = Number(ask.get(what === 'lines' ? 'lines' : 'limit') ?? (what === 'search' ? 100 : 50));
    let byte = 0, count = 0;
    for (let i = 0; i < all.length; i++) {
      const text = all[i];
      if (i + 1 >= first && (what === 'lines' ? out.length < limit : text.includes(q))) { count++; if (out.length < limit) out.push({ line: i + 1, byte, bytes: Buffer.byteLength(text), text: plain(text), at: [] }); }
      byte += Buffer.byteLength(text) + 1;
    }
    return what === 'lines' ? { items: out, lines: all.length, complete: l.complete, next_line: null } : { matches: out, count, whole: true, next_line: count > out.length ? out.at(-1).line + 1 : null, lines: all.length, complete: l.complete, gave_up: null };
  }
  function stop(res, kind, thing) {
    const l = kind === 'launches' ? thing : null;
    if (l) {
      l.state = 'stopping';
      for (const t of tests.values()) if (t.launch === l.id && t.state === 'waiting') { Object.assign(t, { state: 'done', outcome: 'stopped', why: '' }); l.tests.waiting--; l.tests.stopped++; sendTest(t); }
      sendLaunch(l);
    } else { thing.state = 'stopping'; sendRun(clean(thing)); }
    setTimeout(() => { for (const r of runs.values()) if ((l ? r.launch === l.id : r === thing) && r.state !== 'done') finish(r, 'stopped', Date.now(), 'stopped by a user'); }, 400);
    return json(res, 200, l ?? clean(thing));
  }
  function stream(req, res, u) {
    const names = (u.searchParams.get('topics') ?? '').split(',').map((x) => (x.startsWith('queue:') ? 'queue' : x)), s = { res, topics: new Set(names), logs: new Set(), say: late.inOrder((text) => res.write(text)) };
    const since = Number(u.searchParams.get('since') ?? req.headers['last-event-id'] ?? 0);
    res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    res.write(': hello\n\n');
    if (since && since < (history[0]?.id ?? rev + 1) - 1) s.say(`id: ${rev}\nevent: reset\ndata: {}\n\n`);
    else if (since) for (const e of history) { if (e.id > since) deliver(s, e); }
    else {
      if (s.topics.has('servers')) for (const x of servers.values()) s.say(`id: ${rev}\nevent: server\ndata: ${JSON.stringify(x)}\n\n`);
      for (const [id, l] of launches) if (s.topics.has(`launch:${id}`)) s.say(`id: ${rev}\nevent: launch\ndata: ${JSON.stringify(l)}\n\n`);
      for (const [id, r] of runs) if (s.topics.has(`run:${id}`)) s.say(`id: ${rev}\nevent: run\ndata: ${JSON.stringify(clean(r))}\n\n`);
    }
    for (const n of names) {
      const m = /^log:(\d+)@(\d+)$/.exec(n), l = m && logs.get(Number(m[1]));
      if (!l) continue;
      s.logs.add(Number(m[1]));
      const from = Number(m[2]);
      if (from < l.bytes.length || l.complete) s.say(`id: ${rev}\nevent: log\ndata: ${JSON.stringify({ run: Number(m[1]), from, to: l.bytes.length, text: l.bytes.subarray(from).toString(), complete: l.complete })}\n\n`);
    }
    streams.add(s);
    req.on('close', () => streams.delete(s));
  }
  const server = http.createServer((req, res) => {
    const u = new URL(req.url, 'http://fake');
    if (faults.down) return req.socket.destroy();
    return late.answer(res, u.pathname.endsWith('/stream'), () => answer(req, res, u));
  });
  function answer(req, res, u) {
    if (u.pathname.startsWith('/api/')) {
      seen.push(`${req.method} ${u.pathname}${u.search}`);
      for (const [part, code] of faults.status) if (u.pathname.includes(part)) return error(res, code, code === 503 ? 'BUSY' : 'IO', 'the disk is full');
      const heard = () => api(req, res, u);
      if (u.pathname.endsWith('/stream')) return heard();
      return faults.gate ? faults.gate.then(heard) : faults.delay ? setTimeout(heard, faults.delay) : heard();
    }
    const asset = u.pathname.startsWith('/assets/'), f = path.join(DIST, asset ? path.normalize(u.pathname) : 'index.html');
    if (!fs.existsSync(f)) { res.writeHead(404); return res.end(); }
    res.writeHead(200, { 'content-type': TYPES[path.extname(f)] ?? 'application/octet-stream', 'x-content-type-options': 'nosniff', 'referrer-policy': 'same-origin', 'cross-origin-opener-policy': 'same-origin', 'content-encoding': 'gzip', 'cache-control': asset ? 'public, max-age=31536000, immutable' : 'no-cache', 'content-security-policy': CSP });
    return res.end(fs.readFileSync(`${f}.gz`));
  }
  await new Promise((done) => server.listen(port, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`, servers, launches, tests, runs, examples, logs, faults, seen, streams, acc, work, queue, lists, fleet, past, insight, tables, send, write, step, one, finish, leave, PIXEL, sendServer, sendLaunch,
    /** Nothing is done from now on before what is returned was called. */
    hold() { let go; faults.gate = new Promise((done) => { go = () => { faults.gate = null; done(); }; }); return go; },
    cut() { for (const s of streams) s.res.destroy(); },
    /** A log that is written for hours: the bytes that were delivered are kept no longer, only how many there were. */
    forgetLog(run) { const l = logs.get(run); l.gone = (l.gone ?? 0) + l.bytes.length; l.bytes = Buffer.alloc(0); },
    forget() { history.length = 0; rev += 10; },
    close() { clearInterval(timer); clearInterval(ping); server.close(); server.closeAllConnections(); },
  };
}
if (process.argv[1] === fileURLToPath(import.meta.url)) console.log((await start({ port: Number(process.env.PORT ?? 8090), accounts: process.env.ACCOUNTS ? {} : null })).url);
