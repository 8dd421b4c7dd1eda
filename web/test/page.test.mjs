// The page in Chromium against the stand-in server: what people do, under the real content security policy.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { gunzipSync } from 'node:zlib';
import { check, open, seen, shots, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

test('board: what runs, live', { skip }, async (t) => {
  const own = await start({ speed: 1 });
  t.after(() => own.close());
  const page = await open(t, '/', { server: own });
  await seen(page, 'regression');
  await soon.equal(() => page.title(), 'Board · wrata');
  await soon.equal(() => page.locator('.tile').count(), 12);
  await page.locator('.tile', { hasText: 'qa-11' }).getByText('no heartbeat for 40 s').waitFor();
  await page.locator('.link[data-s=live]').waitFor();
  const done = () => page.locator('.kpi', { hasText: 'examples' }).locator('dd').innerText();
  const first = await done();
  await page.waitForFunction((was) => [...document.querySelectorAll('.kpi')].find((k) => k.textContent.includes('examples'))?.querySelector('dd').innerText !== was, first);
  await page.keyboard.press('/');
  await page.keyboard.type('state:idle');
  await page.waitForFunction(() => document.querySelectorAll('.tile').length === 1);
  assert.match(page.url(), /q=state%3Aidle|q=state:idle/);
});

test('an event touches its own tile only', { skip }, async (t) => {
  const still = await start({ speed: 0 });
  t.after(() => still.close());
  const page = await open(t, '/', { server: still });
  await page.locator('.link[data-s=live]').waitFor();
  await seen(page, 'regression');
  await page.evaluate(() => {
    window.touched = new Set();
    new MutationObserver((ms) => ms.forEach((m) => { const e = m.target.nodeType === 1 ? m.target : m.target.parentElement; const tile = e.closest('.tile'); if (tile && !e.closest('time, .num')) window.touched.add(tile.querySelector('.name').textContent); }))
      .observe(document.querySelector('.tiles'), { subtree: true, childList: true, characterData: true, attributes: true });
  });
  const s = still.servers.get(9);
  s.link = 'lost'; s.reason = 'the cable';
  still.sendServer(s);
  await seen(page, 'the cable');
  await soon.deepEqual(() => page.evaluate(() => [...window.touched]), ['qa-09']);
});

test('the walk: board, launch, failure, run, log line', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const page = await open(t, '/', { server: own });
  await page.locator('.launch', { hasText: 'regression' }).click();
  await page.waitForURL(/\/launches\/\d+$/);
  const failure = page.locator('.failure').first();
  await failure.waitFor();
  await soon.match(() => failure.locator('summary').innerText(), /›|Outside of examples/);
  await soon.ok(async () => (await failure.locator('.message').innerText()).length > 5);
  const firstFrame = failure.locator('.trace li').first();
  await soon.match(() => firstFrame.innerText(), /^\.\//, 'project lines come first');
  await page.keyboard.press('n');
  await page.keyboard.press('n');
  await soon.equal(() => page.locator('.failure').nth(1).getAttribute('data-current'), '');
  await page.locator('.failure').nth(1).getByRole('link', { name: 'Open the run' }).click();
  await page.waitForURL(/\/runs\/\d+#ex-\d+$/);
  await page.locator('.failure[data-current]').waitFor();
  await page.getByRole('tab', { name: 'Log' }).click();
  await page.locator('.lrow > a').last().click();
  await page.waitForURL(/#L\d+$/);
  const line = /#L(\d+)$/.exec(page.url())[1];
  await soon.equal(() => page.locator('.lrow[data-cur] > a').innerText(), line);
  for (const n of [line, '3']) {
    const again = await open(t, `${new URL(page.url()).pathname}#L${n}`, { server: own });
    await soon.equal(() => again.locator('.lrow[data-cur] > a').innerText(), n);
  }
  await page.goBack(); await page.goBack();
  await page.waitForURL(/\/launches\/\d+$/);
});

test('launch: tests in a window, filter, state in the address', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const page = await open(t, `/launches/${[...own.launches.values()].find((l) => l.state === 'running').id}?tab=tests`, { server: own });
  await page.locator('.trow').first().waitFor();
  await page.waitForFunction(() => /140 tests/.test(document.querySelector('.tests')?.textContent));
  await soon.ok(async () => await page.locator('.trow').count() < 60);
  await soon.match(() => page.locator('.trow').first().innerText(), /failed|error|infrastructure|timed/, 'failed first');
  await page.keyboard.press('/');
  await page.keyboard.type('state:infra mail');
  await page.waitForFunction(() => { const n = document.querySelectorAll('.trow').length; return n > 0 && n < 8; });
  const other = await open(t, new URL(page.url()).pathname + new URL(page.url()).search, { server: own });
  await other.locator('.trow').first().waitFor();
  await soon.equal(() => other.locator('.trow').count(), await page.locator('.trow').count());
  assert.ok(!own.seen.some((r) => !r.startsWith('GET')), 'typing in a filter changes nothing');
});

test('log: live without a missing or doubled line, follow, search', { skip }, async (t) => {
  const still = await start({ speed: 0 });
  t.after(() => still.close());
  const r = [...still.runs.values()].find((x) => x.state === 'running');
  const page = await open(t, `/runs/${r.id}?tab=log`, { server: still });
  await seen(page, 'bundle exec rspec');
  await page.waitForFunction(() => document.querySelector('.log .faint')?.textContent.includes('live'));
  for (let i = 0; i < 400; i++) {
    still.write(r.id, `line ${i} \x1b[31mcolour ${i % 40 === 7 ? 'needle' : ''}\x1b[0m é\n`);
    if (i % 50 === 25) { await new Promise((ok) => setTimeout(ok, 40)); if (i === 225) still.cut(); }
  }
  const total = still.logs.get(r.id).bytes.toString().split('\n').length - 1;
  await page.waitForFunction((n) => document.querySelector('.log .faint')?.textContent.startsWith(`${n} lines`), total);
  await page.getByText('line 399', { exact: false }).waitFor();
  await page.getByRole('button', { name: 'Follow' }).click();
  await page.getByRole('searchbox', { name: 'Search log' }).fill('needle');
  await page.waitForFunction(() => document.querySelector('.find output').textContent === '10');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => / of 10$/.test(document.querySelector('.find output').textContent));
  await soon.equal(() => page.locator('.lrow[data-cur] .hit').innerText(), 'needle');
  await page.keyboard.press('Shift+Enter');
  still.write(r.id, 'after\n');
  await page.getByRole('button', { name: /Jump to latest, 1 new/ }).click();
  await page.getByText('after', { exact: true }).waitFor();
  await soon.equal(() => page.getByRole('button', { name: 'Follow' }).getAttribute('aria-pressed'), 'true');
  still.write(r.id, 'no newline at the end', true);
  await page.getByText('no newline at the end').waitFor();
});

test('a cut stream comes back and misses nothing; a forgotten one loads again', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const page = await open(t, '/', { server: own, quiet: false });
  await page.locator('.link[data-s=live]').waitFor();
  own.faults.status.set('/stream', 503);
  own.cut();
  await page.locator('.link[data-s=reconnecting]').waitFor();
  const s = own.servers.get(9);
  s.link = 'lost'; s.reason = 'while you were away';
  own.sendServer(s);
  await page.locator('.lost').waitFor();
  await soon.equal(() => page.locator('.tile').count(), 12);
  own.faults.status.clear();
  await seen(page, 'while you were away');
  await page.locator('.link[data-s=live]').waitFor();
  s.reason = 'and again';
  own.forget();
  own.cut();
  await seen(page, 'and again');
});

test('stop asks once', { skip }, async (t) => {
  const own = await start({ speed: 1 });
  t.after(() => own.close());
  const l = [...own.launches.values()].find((x) => x.state === 'running');
  l.note = 'main is as it was fetched at 2026-11-30 10:00:00 UTC; it could not be fetched for this launch: \u202etimeout';
  const page = await open(t, `/launches/${l.id}`, { server: own });
  await seen(page, 'main is as it was fetched at 2026-11-30 10:00:00 UTC');
  await page.getByRole('button', { name: 'Stop' }).click();
  await page.waitForFunction(() => document.activeElement.textContent === 'Keep running', null);   // the safe one
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Stop' }).click();
  assert.ok(!own.seen.some((r) => r.startsWith('POST')), 'nothing was stopped');
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('dialog').getByRole('button', { name: 'Stop' }).click();
  await page.locator('.headline .badge').filter({ hasNotText: /running|stopping/ }).waitFor();
  assert.equal(l.state, 'done');
});

test('empty, loading, error, nothing there, unreachable', { skip }, async (t) => {
  const own = await start({ empty: true });
  t.after(() => own.close());
  const page = await open(t, '/', { server: own, quiet: false });
  await seen(page, 'Three steps to the first run');
  await page.getByRole('button', { name: 'Add a server' }).waitFor();
  await soon.deepEqual(() => check(page), []);
  await page.screenshot({ path: path.join(shots, 'empty.png') });
  await page.goto(`${own.url}/runs/99`);
  await seen(page, 'Nothing at /runs/99');
  await page.goto(`${own.url}/no/such/page`);
  await seen(page, 'Nothing at /no/such/page');
  await page.waitForFunction(() => document.title === 'Nothing here · wrata');
  await soon.deepEqual(() => check(page), []);
  own.faults.status.set('/board', 500);
  await page.goto(own.url);
  await seen(page, 'The board could not be loaded');
  await seen(page, 'the disk is full');
  await soon.deepEqual(() => check(page), []);
  await page.screenshot({ path: path.join(shots, 'error.png') });
  own.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await seen(page, 'Three steps to the first run');
  own.faults.delay = 700;
  await page.goto(own.url);
  await page.locator('.skeleton').waitFor();
  await seen(page, 'Three steps to the first run');
  own.faults.delay = 0;
  own.faults.down = true;
  own.cut();
  await page.locator('.lost').waitFor();
  await soon.equal(() => page.getByText('Three steps to the first run').count(), 1, 'what was there stays');
  await page.screenshot({ path: path.join(shots, 'lost.png') });
});

test('keys, theme, focus', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const page = await open(t, '/', { server: own });
  await seen(page, 'regression');
  await page.keyboard.press('?');
  await page.getByRole('dialog').waitFor();
  await seen(page, 'Theme: system, light, dark');
  await soon.deepEqual(() => check(page), []);
  await page.keyboard.press('Escape');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.keyboard.press('t');
  await page.keyboard.press('t');
  await soon.equal(() => page.evaluate(() => document.documentElement.dataset.theme), 'dark');
  await page.reload();
  await soon.equal(() => page.evaluate(() => document.documentElement.dataset.theme), 'dark', 'kept, and set before anything is drawn');
  await page.locator('.launch').first().click();
  await page.waitForURL(/launches/);
  await page.getByRole('tab').first().waitFor(); // the screen is loaded behind its address: a key pressed before it has nobody to hear it
  await page.keyboard.press('2');
  await page.waitForURL(/tab=tests/);
  await page.keyboard.press('g');
  await page.keyboard.press('b');
  await page.waitForURL((u) => u.pathname === '/');
});

test('names that try something are only text', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const r = [...own.runs.values()].find((x) => x.state === 'running');
  r.path = 'spec/\u202egnp.<img src=x onerror=alert(1)>_spec.rb';
  r.reason = '<script>alert(2)</script>';
  own.write(r.id, '<b>not bold</b> javascript:alert(3)\n');
  const page = await open(t, `/runs/${r.id}?tab=log`, { server: own });
  await seen(page, '<b>not bold</b>');
  await soon.match(() => page.locator('h1').innerText(), /\\u202egnp\.<img src=x onerror=alert\(1\)>_spec\.rb/);
  await soon.equal(() => page.locator('main img, main script, main b').count(), 0);
});

test('what a first visit loads', { skip }, (t) => {
  const { files, size } = JSON.parse(fs.readFileSync(new URL('../dist/manifest.json', import.meta.url)));
  const sum = (ext) => Object.entries(files).filter(([f]) => f.endsWith(ext)).reduce((n, [, s]) => n + s.gzip, 0);
  t.diagnostic(`P1: JavaScript ${size.first} of 45,000 bytes first, ${sum('.js')} of 90,000 in all (hard stop 150,000), CSS ${sum('.css')} of 14,000`);
  assert.ok(size.first < 45_000 && sum('.js') < 95_000 && sum('.css') < 14_000 && sum('.woff2') < 95_000, JSON.stringify(files));
  for (const [f, { bytes, gzip }] of Object.entries(files)) {
    assert.match(f, /^\/(index\.html|assets\/[\w.-]+\.([0-9a-f]{10}|[0-9A-Z]{8})\.\w+)$/);
    const served = fs.readFileSync(new URL(`../dist${f}.gz`, import.meta.url));
    assert.deepEqual([served.length, gunzipSync(served).length], [gzip, bytes], f);
  }
  assert.doesNotMatch(fs.readFileSync(new URL('../dist/index.html', import.meta.url), 'utf8'), /style=|<style|\son\w+=|<script>/);
});

test('files that a run left: with the example, by folder, live', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const r = [...own.runs.values()].find((x) => x.state === 'done' && own.examples.some((e) => e.run === x.id && e.artifacts));
  const page = await open(t, `/runs/${r.id}`, { server: own });
  const example = page.locator('.failure', { has: page.locator('.artifact') }).first();
  await example.locator('.artifact').first().waitFor();
  await soon.equal(() => example.locator('.artifact').count(), 2, 'its own alone');
  const image = example.locator('.artifact img');
  await page.waitForFunction(() => document.querySelector('.artifact img')?.naturalWidth === 1);
  await soon.ok(async () => Math.abs((await example.locator('.look').first().boundingBox()).height - 106) < 2, 'the box has a size of its own');
  await soon.match(() => image.getAttribute('src'), /^\/api\/v1\/artifacts\/\d+$/);
  await soon.equal(() => example.locator('a.look').last().getAttribute('download'), 'pivot_table.html', 'what is not shown is saved');
  await page.getByRole('tab', { name: /Files\s*3/ }).click();
  await page.waitForURL(/tab=files/);
  await soon.deepEqual(() => page.locator('.kept h2').allInnerTexts(), ['tmp/screenshots/', 'tmp/']);
  await soon.match(() => page.locator('.kept .bar-of').innerText(), /^3 files, 15 kB/);
  const down = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download all' }).click();
  await soon.equal(async () => (await down).suggestedFilename(), `run-${r.id}-artifacts.zip`);
  own.leave(r, 'report <b>.xml', 'application/xml', true, Buffer.from('<x/>'));
  await page.getByRole('tab', { name: /Files\s*4/ }).waitFor();
  await page.getByText('report <b>.xml').waitFor();
  await soon.deepEqual(() => check(page), []);
});

test('files in the failures of a launch', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const r = [...own.runs.values()].find((x) => x.state === 'done' && own.examples.some((e) => e.run === x.id && e.artifacts));
  const page = await open(t, `/launches/${r.launch}`, { server: own });
  await page.locator('.failure').first().waitFor();
  await page.locator('.failure .artifact img').first().waitFor({ state: 'attached' });
  const quiet = await open(t, `/runs/${[...own.runs.values()].find((x) => x.state === 'done' && x.outcome === 'passed').id}`, { server: own });
  await quiet.getByRole('tab', { name: 'Log' }).waitFor();
  await soon.equal(() => quiet.getByRole('tab', { name: /Files/ }).count(), 0, 'no tab where there is nothing');
});

test('launch: what it cost, where it cost anything', { skip }, async (t) => {
  const own = await start({ speed: 0 });
  t.after(() => own.close());
  const [dear, free] = [...own.launches.values()].filter((l) => l.state === 'done');
  dear.cost_usd = 0.12345;
  free.cost_usd = 0;
  const page = await open(t, `/launches/${dear.id}`, { server: own });
  await soon.equal(() => page.locator('.kpi', { hasText: 'cost' }).locator('dd').innerText(), '$0.1235');
  await page.goto(new URL(`/launches/${free.id}`, page.url()).href);
  await page.locator('.kpi').first().waitFor();
  await soon.equal(() => page.locator('.kpi', { hasText: 'cost' }).count(), 0);
});

test('failing first is an order that is asked for: fifty events move no tile', { skip }, async (t) => {
  const s = await start({ speed: 0 });
  t.after(() => s.close());
  const page = await open(t, '/', { server: s }), names = () => page.locator('.tiles .name').allInnerTexts();
  await page.locator('.tile').first().waitFor();
  const before = await names();
  assert.deepEqual(before, [...before].sort((a, b) => a.localeCompare(b, 'en', { numeric: true })));
  await page.getByRole('button', { name: 'Failing first' }).click();
  await soon.equal(() => names().then((n) => n[0]), 'qa-11', 'the lost one');
  const order = await names(), last = [...s.servers.values()].at(-1);
  for (let i = 0; i < 50; i++) { const x = [...s.servers.values()][i % 12]; x.sick = i % 2 ? null : 'three runs in a row failed'; s.sendServer(x); }
  last.reason = 'the fiftieth event is here'; last.link = 'offline'; s.sendServer(last);
  await seen(page, 'the fiftieth event is here');
  assert.deepEqual(await names(), order);
  await page.getByRole('button', { name: 'Failing first' }).click();
  await soon.deepEqual(names, before);
});
