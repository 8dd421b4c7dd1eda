// Every screen of the page against a real server that tests/lib/hostile.py has filled: WRATA_WALK is what that says of it.
// The screens are those of the page's own table of addresses: one that has no row here fails. Each is looked at in light and dark,
// narrow and wide; what people called things is text everywhere. WRATA_SHOTS keeps the pictures. Nothing is started here.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import esbuild from 'esbuild';
import { chromium } from 'playwright-core';
import { check, COLOURS, overflow } from './axe.mjs';
import { ARGS, CHROMIUM, PATIENCE_MS, soon } from './soon.mjs';

const there = process.env.WRATA_WALK ? JSON.parse(process.env.WRATA_WALK) : null, base = there?.url, part = process.env.WRATA_PART ?? '';
const skip = !there ? 'WRATA_WALK is not set' : !fs.existsSync(CHROMIUM) ? `${CHROMIUM} is not installed` : false;
const shots = process.env.WRATA_SHOTS ?? '';
const IMG = '<img src=x onerror=hacked()>', SVG = '<svg onload=hacked()>', QUOTES = '"it\'s" & <b>bold</b>', BACKWARDS = 'cart\\u202egnp.exe', LONG = 'the_longest_name_that_anybody';

const core = path.join(path.dirname(fileURLToPath(import.meta.url)), '../core');
const built = await esbuild.build({ entryPoints: [path.join(core, 'route.ts')], bundle: true, format: 'esm', write: false, target: 'es2022' });
const { ACCOUNT, NUMBERED, PLAIN, TABLES } = await import(`data:text/javascript;base64,${Buffer.from(built.outputFiles[0].contents).toString('base64')}`);

/** A screen by its address: which row of the page's table, what tells that it is there, names that must stand in it as they are. */
const at = (key, name, address, wait, ...says) => ({ key, name, address, wait, says });
const run = (p) => Object.entries(there.runs).find(([k]) => k.includes(p))[1];
const WORK = there && [
  at('board', 'board', '/', '.tile', 'live ' + SVG, 'nightly ' + IMG),
  at('board', 'board-queue', '/?pane=queue', '.qrow', IMG),
  at('compose', 'compose', `/compose?project=${there.project}&path=${encodeURIComponent('spec/')}`, '.frow', IMG),
  at('runs', 'runs', '/runs', '.hrow', BACKWARDS, LONG),
  at('launches', 'launches', '/launches', '.launch', 'nightly ' + IMG),
  at('launch', 'launch', `/launches/${there.second}`, '.failure .message', 'Editor ' + IMG, IMG + ' it\\u202e is'),
  at('launch', 'launch-each', `/launches/${there.launch}?group=none`, '.failure .message', SVG + ' was not there'),
  at('launch', 'launch-tests', `/launches/${there.launch}?tab=tests`, '.trow', SVG + '.sh', BACKWARDS),
  at('launch', 'launch-timeline', `/launches/${there.launch}?tab=timeline`, '.lanes canvas', 'idle'),
  at('launch', 'launch-table', `/launches/${there.launch}?tab=timeline&as=table`, '.trow', BACKWARDS),
  at('launch', 'launch-compare', `/launches/${there.launch}?tab=compare&what=fixed`, '.compared li', 'prints ' + SVG),
  at('launch', 'launch-live', `/launches/${there.live}?tab=tests`, '.trow', 'live ' + SVG),
  at('launch', 'launch-waiting', `/launches/${there.waiting}?tab=tests`, '.trow', 'paused'),
  at('run', 'run', `/runs/${run('editor')}`, '.failure .message', 'until ' + IMG + ' is there'),
  at('run', 'run-left', `/runs/${run('it\'s')}`, '.failure .artifact img', QUOTES.replace('/', '|'), 'leaves ' + SVG),
  at('run', 'run-files', `/runs/${run('it\'s')}?tab=files`, '.artifact img', IMG + '.png', SVG + '.html'),
  at('run', 'run-log', `/runs/${run('noise')}?tab=log#L401`, '.lrow', IMG + ' </pre><script>hacked()</script>'),
  at('run', 'run-tap', `/runs/${run('tap')}`, '.failure .message', SVG + ' was not there'),
  at('run', 'run-long', `/runs/${run('longest')}`, '.ended li', LONG),
  at('run', 'run-live', `/runs/${there.live_run}?tab=log`, '.lrow', 'step '),
  at('files', 'file', `/files?project=${there.project}&path=${encodeURIComponent('spec/' + IMG + '/editor_spec.rb')}`, '.trend', IMG),
  at('files', 'file-slowest', `/files?project=${there.project}`, '.rows a', 'The slowest'),
  at('files', 'file-found', `/files?project=${there.project}&q=editor`, '.rows a', IMG),
  at('nothing', 'nothing', '/nothing/<b>here', '.empty', 'Nothing at'),
];
const REST = there && [
  at('lists', 'lists', '/lists', '.entries li', 'full ' + IMG),
  at('list', 'list', `/lists/${there.list}`, '.prow', 'full ' + IMG, SVG + '.sh'),
  at('schedules', 'schedules', '/schedules', '.entries li', 'daily ' + QUOTES),
  at('schedules', 'schedule-new', `/schedules?add=${there.list}`, '.preview li', 'Next five times'),
  at('schedule', 'schedule', `/schedules/${there.schedule}`, '.preview li', 'daily ' + QUOTES),
  at('servers', 'servers', '/servers', '.servers li', 'w'.repeat(63)),
  at('server', 'server', '/servers/1', '.facts dd', 'local-1'),
  at('server', 'server-away', '/servers/2', '.headline', 'w'.repeat(63)),
  at('users', 'users', '/admin/users', '.rows li', IMG, SVG),
  at('user', 'user', `/admin/users/${there.user}`, 'main form', 'mira'),
  at('audit', 'audit', '/admin/audit', '.audit > li', 'boss'),
  at('admin projects', 'projects', '/admin/projects', '.entries li', QUOTES, 'gone ' + IMG),
  at('admin locations', 'locations', '/admin/locations', '.entries li', IMG),
  at('admin browsers', 'browsers', '/admin/browsers', '.entries li', '<img/src=x/onerror=hacked()>'),
  at('admin languages', 'languages', '/admin/languages', '.entries li', '<img/src=x/onerror=hacked()>'),
  at('admin fleets', 'fleets', '/admin/fleets', '.entries li', 'lab'),
  at('admin hooks', 'hooks', '/admin/hooks', '.entries li', 'hook ' + IMG),
  at('hook', 'hook', `/admin/hooks/${there.hook}`, 'main h1', 'hook ' + IMG),
  at('cost', 'cost', '/admin/cost', 'main h1', 'Cost'),
  at('retention', 'retention', '/admin/retention', 'main h1', 'What is kept'),
  at('admin mails', 'mails', '/admin/mails', '.entries li', 'boss@example.org'),
  at('admin jobs', 'jobs', '/admin/jobs', '.entries li', 'clear'),
  at('account profile', 'profile', '/account', 'main form', 'boss'),
  at('account password', 'password', '/account/password', 'main form', 'A new password'),
  at('account sessions', 'sessions', '/account/sessions', 'main .rows li', 'this one'),
  at('account tokens', 'tokens', '/account/tokens', 'main .rows li', 'laptop ' + IMG),
  at('account variables', 'variables', '/account/variables', 'main input', 'Paste lines'),
  at('account mail', 'mail', '/account/mail', 'main form', 'Mail about your launches'),
  at('account delete', 'delete', '/account/delete', 'main form', 'Delete the account boss'),
];
/** What others see: nobody, somebody who waits to be verified, somebody who is no admin. */
const OTHERS = there && [
  ['', at('signin', 'signin', '/signin', 'main form', 'Sign in')],
  ['', at('signup', 'signup', '/signup', 'main form', 'Create an account')],
  ['', at('forgot', 'forgot', '/forgot', 'main form', 'A new password')],
  ['', at('welcome', 'welcome', `/${there.invite}`, 'main form', 'Welcome')],
  ['', at('welcome', 'welcome-dead', '/welcome#none', 'main h1', 'of no use any more')],
  ['jo', at('', 'waiting', '/', 'main h1', 'Waiting to be verified')],
  ['mira', at('', 'denied', '/admin/users', 'main h1', 'You may not see this')],
];

test('each screen that the page has is walked', { skip }, () => {
  const has = [...Object.values(PLAIN), ...Object.values(NUMBERED), ...TABLES.map((t) => `admin ${t}`), ...ACCOUNT.map((t) => `account ${t}`), 'nothing'];
  assert.deepEqual(new Set([...WORK, ...REST, ...OTHERS.map((o) => o[1])].map((s) => s.key).filter(Boolean)), new Set(has));
});

async function person(t, browser, login) {
  const context = await browser.newContext({ viewport: { width: 1920, height: 1080 }, colorScheme: 'light', reducedMotion: 'reduce' }), wrong = [];
  if (login) assert.equal((await context.request.post(`${base}/api/v1/session`, { data: { login, password: there.password } })).status(), 200);
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  page.on('pageerror', (e) => wrong.push(String(e)));
  page.on('dialog', (d) => { wrong.push(`a dialog: ${d.message()}`); void d.dismiss(); });
  page.on('console', (m) => { if (m.type() === 'error' && !/status of 40[34]/.test(m.text())) wrong.push(`${page.url()} ${m.text()}`); });
  page.on('request', (r) => { if (!r.url().startsWith(`${base}/`)) wrong.push(`asked ${r.url()}`); });
  await page.addInitScript(() => {
    window.hacked = () => console.error('something that was a name has run');
    document.addEventListener('securitypolicyviolation', (e) => console.error(`violated ${e.violatedDirective} ${e.blockedURI}`));
  });
  t.after(() => assert.deepEqual(wrong, []));
  return page;
}

/** Names are text: nothing that they would be as markup is there, and nothing turns the page's text around. */
const mischief = (page) => page.evaluate(() => {
  const out = [], own = (el) => !el.closest('.artifact, .kept') || !el.src.startsWith(`${location.origin}/api/v1/artifacts/`);
  for (const el of document.querySelectorAll('main :is(script, iframe, object, embed, style)')) out.push(el.tagName);
  for (const el of document.querySelectorAll('img')) if (own(el)) out.push(`img ${el.src}`);
  for (const el of document.querySelectorAll('main b')) if (el.textContent === 'bold') out.push('<b>bold</b> is bold');
  for (const el of document.querySelectorAll('a[href]')) if (!/^https?:$/.test(el.protocol)) out.push(`a link to ${el.href}`);
  const turns = /[\u202a-\u202e\u2066-\u2069]/;
  for (const el of document.querySelectorAll('*')) for (const a of el.attributes) {
    if (a.name.startsWith('on')) out.push(`${el.tagName} ${a.name}`);
    if (/^(title|alt|placeholder|aria-.*)$/.test(a.name) && turns.test(a.value)) out.push(`${el.tagName} ${a.name} turns around: ${a.value}`);
  }
  if (turns.test(document.title)) out.push(`the title turns around: ${document.title}`);
  for (const w = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT); w.nextNode();) if (turns.test(w.currentNode.data) && !w.currentNode.parentElement.closest('.lrow')) out.push(`text turns around: ${w.currentNode.data}`);  // a line of a log is a line of its own
  return out;
});

const SIZES = [[1024, 768], [360, 740], [1920, 1080]];
const grave = (found) => found.filter((f) => /^(serious|critical)/.test(f));
async function look(page, s) {
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.setViewportSize({ width: 1920, height: 1080 });
  await page.goto('about:blank');                                      // each is opened cold
  await page.goto(base + s.address);
  await page.locator(s.wait).first().waitFor();
  await page.waitForFunction((all) => { const m = document.querySelector('main'), has = [m.textContent, ...[...m.querySelectorAll('input')].map((i) => i.value)].join('\n'); return all.every((text) => has.includes(text)); }, s.says);
  await page.evaluate(() => document.fonts.ready);
  assert.deepEqual(await mischief(page), [], 'names are text');
  const wide = [], shoot = (scheme, width) => (shots ? page.screenshot({ path: path.join(shots, `walk-${s.name}-${scheme}-${width}.png`) }) : null);
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    if (await overflow(page) > 0) wide.push(width);
    await shoot('light', width);
  }
  assert.deepEqual(wide, [], 'widths at which it scrolls sideways');
  assert.deepEqual(grave(await check(page)), []);
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  assert.deepEqual(grave(await check(page, COLOURS)), [], 'in dark');
  if (shots) for (const [width, height] of SIZES) { await page.setViewportSize({ width, height }); await shoot('dark', width); }
}
async function started(t) {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  t.after(() => browser.close());
  return browser;
}
const walk = (name, people) => test(name, { skip, timeout: 270_000 }, async (t) => {
  const browser = await started(t), faults = [];
  if (shots) fs.mkdirSync(shots, { recursive: true });
  for (const [login, screens] of people) {
    const left = [...screens];
    // Two at a time: one draws while the other waits.
    await Promise.all([1, 2].map(async () => {
      const page = await person(t, browser, login);
      for (let s; (s = left.shift());) {
        const began = performance.now();
        try { await look(page, s); } catch (e) { faults.push(`${s.name}: ${e.message}`); }
        t.diagnostic(`${s.name} ${Math.round(performance.now() - began)} ms`);
      }
    }));
  }
  assert.deepEqual(faults, []);
});
if (part !== 'rest') walk('what runs and what ran', [['boss', WORK ?? []]]);
if (part !== 'work') walk('lists, schedules, servers, tables, accounts', [['boss', REST ?? []], ...['', 'jo', 'mira'].map((who) => [who, (OTHERS ?? []).filter((o) => o[0] === who).map((o) => o[1])])]);

if (part !== 'rest') test('what the page shows and does is what the server has', { skip, timeout: 200_000 }, async (t) => {
  const browser = await started(t), page = await person(t, browser, 'boss');
  const api = async (p) => { const r = await page.context().request.get(`${base}/api/v1${p}`); assert.equal(r.status(), 200, p); return r.json(); };
  const open = async (address, wait) => { await page.goto('about:blank'); await page.goto(base + address); await page.locator(wait).first().waitFor(); };
  const ids = () => page.locator('.hrow .file a').evaluateAll((all) => all.map((a) => Number(a.pathname.split('/').at(-1))));
  const changes = [];
  page.on('request', (r) => { if (r.method() !== 'GET') changes.push(`${r.method()} ${r.url()}`); });

  // F2, F3: the filter finds what the server has, its address says it to somebody else; Enter in a filter changes nothing.
  const { items: all } = await api('/runs?limit=500');
  const fits = all.filter((r) => r.path.includes('spec') && !r.path.includes('cart') && r.outcome === 'failed').map((r) => r.id);
  await open('/runs', '.hrow');
  await page.getByRole('searchbox').fill('spec -cart state:failed');
  await soon.deepEqual(ids, fits);
  await page.keyboard.press('Enter');
  const other = await person(t, browser, 'mira');
  await other.goto(page.url());
  await other.locator('.hrow').first().waitFor();
  await soon.deepEqual(() => other.locator('.hrow .file a').evaluateAll((x) => x.map((a) => Number(a.pathname.split('/').at(-1)))), fits);
  for (const [address, wait] of [['/servers', '.servers li'], ['/', '.tile'], ['/lists', '.entries li'], [`/compose?project=${there.project}`, '.frow']]) {
    await open(address, wait);
    const box = page.getByRole('searchbox').first();
    await box.fill('spec');
    await box.press('Enter');
  }
  assert.deepEqual(changes, [], 'a filter changes nothing');

  // F10, F13, F15: a script that left no example opens its log; all of it is there, and of a long one what is outside of the page is found by the server.
  const noise = run('noise'), text = await (await page.context().request.get(`${base}/api/v1/runs/${noise}/log?max=4194304`)).text();
  await open(`/runs/${noise}`, '.lrow');
  await page.getByText(`${text.replace(/\n$/, '').split('\n').length} lines,`).waitFor();
  await open(`/runs/${there.long_run}`, '.lrow');
  await page.getByRole('searchbox', { name: 'Search log' }).fill('a needle in front');
  await page.getByRole('list', { name: 'Matches outside of what is shown' }).getByRole('button').first().click();
  await page.locator('.lrow', { hasText: 'a needle in front' }).waitFor();
  await soon.equal(() => new URL(page.url()).hash, '#L1');

  // F17: messages whose numbers differ are one cause; what no launch before had is new, and only that.
  const causes = await api(`/launches/${there.second}/causes`), news = causes.causes.filter((c) => !c.known).map((c) => c.title);
  await open(`/launches/${there.second}`, '.cause');
  await page.locator('.cause', { hasText: "no element '#btn-<n>' in <n> s" }).getByText('2 ×').waitFor();
  assert.equal(news.length, 1);
  await soon.deepEqual(() => page.locator('.cause:has(.tag.new) h2').allInnerTexts(), news);
  // F18: what failed and passed on one commit is called flaky.
  await open(`/files?project=${there.project}&path=spec/flips_spec.rb`, '.trend');
  await page.getByText('Flaky: it failed and passed on').waitFor();
  // F19: the timeline's table has each run, the longest is named.
  const { items: mine } = await api(`/runs?launch=${there.launch}&limit=500`), took = (r) => Date.parse(r.ended_at) - Date.parse(r.started_at), longest = Math.max(...mine.map(took));
  await open(`/launches/${there.launch}?tab=timeline&as=table`, '.trow');
  await soon.equal(() => page.locator('.trow').count(), mine.length);
  const named = page.locator('.timeline .bar-of a[href^="/runs/"]').first();
  await soon.ok(async () => mine.filter((r) => took(r) === longest).map((r) => `/runs/${r.id}`).includes(await named.getAttribute('href')), 'the longest');

  // F16: what failed runs again, and nothing else.
  const failed = mine.filter((r) => r.outcome !== 'passed').map((r) => r.path).sort();
  await open(`/launches/${there.launch}`, '.cause');
  await page.getByRole('button', { name: `Run failed again ${failed.length}` }).click();
  const watch = page.getByRole('link', { name: /^Watch #\d+/ });
  await watch.waitFor();
  const again = Number(/\d+$/.exec(await watch.getAttribute('href'))[0]);
  assert.deepEqual((await api(`/launches/${again}/tests?limit=500`)).items.map((x) => x.path).sort(), failed);

  // F22: cut off, the board says so and stays; what happened meanwhile is there when it is back.
  await open('/', '.tile');
  await page.context().setOffline(true);
  await page.locator('.link[data-s=offline]').waitFor();
  await page.locator('.tile').first().waitFor();
  const meanwhile = await other.evaluate(async (of) => {
    const me = await (await fetch('/api/v1/me')).json();
    return (await fetch(`/api/v1/launches/${of}/retest`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-csrf-token': me.csrf }, body: '{"what":"failed"}' })).json();
  }, there.second);
  assert.ok(meanwhile.id, JSON.stringify(meanwhile));
  await page.context().setOffline(false);
  await page.locator('.link[data-s=live]').waitFor();
  await page.locator(`.launch[href="/launches/${meanwhile.id}"]`).waitFor();

  // F8: one stop, asked once; it ends as stopped.
  await open(`/launches/${there.live}`, '.headline');
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Stop', exact: true }).click();
  await page.locator('.headline .badge', { hasText: 'stopped' }).waitFor({ timeout: 60_000 });
  assert.equal((await api(`/launches/${there.live}`)).outcome, 'stopped');
});
