// Many tabs of one browser: one stream between them (F23), and what becomes of it when tabs, people and workers go.
import assert from 'node:assert/strict';
import test from 'node:test';
import { open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';
import { PASSWORD } from './fake_accounts.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const live = (page) => page.locator('.link[data-s=live]').waitFor();
const topics = (s) => [...s.streams].flatMap((x) => [...x.topics]).sort().join();
const lines = (page, n) => page.waitForFunction((n) => document.querySelector('.log .faint')?.textContent.startsWith(`${n} lines`), n);

test('F23: twelve tabs, one stream; each is live and can be used', { skip }, async (t) => {
  const s = await fresh(t), first = await open(t, '/', { server: s }), r = [...s.runs.values()].find((x) => x.state === 'running'), all = [first];
  await live(first);
  for (let i = 1; i < 12; i++) all.push(await open(t, i === 1 ? `/runs/${r.id}?tab=log` : i === 2 ? `/launches/${r.launch}` : '/', { server: s, tab: first }));
  for (const page of all) await live(page);
  await soon.equal(() => s.streams.size, 1);
  const x = s.servers.get(9);
  x.link = 'lost'; x.reason = 'told to every tab';
  s.sendServer(x);
  s.write(r.id, 'a line for one of them\n');
  await seen(all[1], 'a line for one of them');
  for (const page of [first, ...all.slice(3)]) await seen(page, 'told to every tab');
  for (const page of all.slice(3)) { await page.keyboard.press('?'); await page.getByRole('dialog').waitFor(); }
  assert.equal(s.streams.size, 1);
  // What a tab followed is given up when it goes; with the last one the stream goes, too.
  await all[1].close();
  await soon.doesNotMatch(() => topics(s), /log:|run:/);
  for (const page of all.slice(2)) await page.close();
  await soon.equal(() => topics(s), 'launches,queue,servers', 'the first tab alone');
  await first.goto('about:blank');
  await soon.equal(() => s.streams.size, 0);
});

test('two tabs read one log, each from where it is, over a cut: nothing is missing or there twice', { skip }, async (t) => {
  const s = await fresh(t), r = [...s.runs.values()].find((x) => x.state === 'running'), text = () => s.logs.get(r.id).bytes.toString().split('\n');
  const one = await open(t, `/runs/${r.id}?tab=log`, { server: s, quiet: false });
  await lines(one, text().length - 1);
  for (let i = 0; i < 60; i++) s.write(r.id, `line ${i}\n`);
  const two = await open(t, `/runs/${r.id}?tab=log`, { server: s, tab: one, quiet: false });
  for (let i = 60; i < 120; i++) s.write(r.id, `line ${i}\n`);
  for (const page of [one, two]) await lines(page, text().length - 1);
  s.cut();
  for (let i = 120; i < 180; i++) s.write(r.id, `line ${i}\n`);
  for (const page of [one, two]) { await lines(page, text().length - 1); await seen(page, 'line 179'); }
  await soon.equal(() => s.streams.size, 1);
});

test('a launch shows failures of its own, whatever another tab follows', { skip }, async (t) => {
  const s = await fresh(t), run = [...s.runs.values()].find((x) => x.state === 'running'), old = [...s.launches.values()].find((l) => l.id !== run.launch);
  const page = await open(t, `/launches/${old.id}`, { server: s });
  await live(page);
  const other = await open(t, `/launches/${run.launch}`, { server: s, tab: page });
  await live(other);
  await other.locator('.failure').first().waitFor();
  const n = s.examples.length;
  s.one(run, 'failed');
  s.send([`run:${run.id}`, `launch:${run.launch}`], 'example', s.examples[n]);
  old.name = 'comes after it';
  s.sendLaunch(old);
  await seen(page, 'comes after it');
  assert.equal(await page.locator('.failure').count(), 0);
});

test('a tab that was hidden asks again, also when it had heard of nothing before', { skip }, async (t) => {
  const s = await fresh(t), busy = [...s.runs.values()].find((x) => x.state === 'running'), old = [...s.launches.values()].find((l) => l.id !== busy.launch);
  const init = () => Object.defineProperty(document, 'hidden', { get: () => !!window.away });
  const page = await open(t, '/', { server: s });
  await live(page);
  const other = await open(t, `/launches/${old.id}`, { server: s, tab: page, init });
  await live(other);
  await soon.match(() => topics(s), new RegExp(`launch:${old.id}`));
  await other.clock.install();
  const look = (away) => other.evaluate((to) => { window.away = to; document.dispatchEvent(new Event('visibilitychange')); }, away);
  await look(true);
  await other.clock.fastForward(31_000);
  await soon.doesNotMatch(() => topics(s), new RegExp(`launch:${old.id}`));
  old.name = 'named while nobody looked';
  const x = s.servers.get(9);
  x.link = 'lost'; x.reason = 'the stream went on';
  s.sendServer(x);
  await seen(page, 'the stream went on');
  await look(false);
  await seen(other, 'named while nobody looked');
});

test('F23: without shared workers each tab has a stream, and lets go of it when nobody has seen it for 30 s', { skip }, async (t) => {
  const s = await fresh(t), init = () => { delete window.SharedWorker; Object.defineProperty(document, 'hidden', { get: () => !!window.away }); };
  const page = await open(t, '/', { server: s, init });
  await live(page);
  const other = await open(t, '/', { server: s, tab: page, init });
  await live(other);
  await soon.equal(() => s.streams.size, 2);
  await other.clock.install();
  const look = (away) => other.evaluate((to) => { window.away = to; document.dispatchEvent(new Event('visibilitychange')); }, away);
  await look(true);
  await other.clock.fastForward(29_000);
  assert.equal(s.streams.size, 2);
  await other.clock.fastForward(2000);
  await soon.equal(() => s.streams.size, 1);
  const x = s.servers.get(9);
  x.link = 'lost'; x.reason = 'while nobody looked';
  s.sendServer(x);
  await seen(page, 'while nobody looked');
  await look(false);
  await seen(other, 'while nobody looked');
  await soon.equal(() => s.streams.size, 2);
});

test('a worker that says nothing is given up, and the tab has a stream of its own', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/account', { server: s, init: () => { window.SharedWorker = class { port = new MessageChannel().port1; }; } });
  await page.clock.install();
  await page.getByRole('link', { name: 'Board' }).click();
  await page.locator('.tile').first().waitFor();
  assert.equal(s.streams.size, 0);
  await page.clock.runFor(10_500);
  await live(page);
  assert.equal(s.streams.size, 1);
});

test('who signs out ends the stream of all tabs; a new person has a stream of their own', { skip }, async (t) => {
  const s = await fresh(t, { accounts: {} }), page = await open(t, '/', { server: s, as: 'mira' });
  await live(page);
  const other = await open(t, '/', { server: s, tab: page });
  await live(other);
  await soon.equal(() => s.streams.size, 1);
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(/signin/);
  s.cut();                                                             // the server ends what belongs to a session
  await other.getByRole('dialog', { name: 'Your session is over' }).waitFor();
  await soon.equal(() => s.streams.size, 0);
  await page.getByLabel('Login').fill('admin');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await live(page);
  await soon.equal(() => s.streams.size, 1);
  await other.getByRole('dialog').getByLabel('Password', { exact: true }).fill(PASSWORD);
  await other.keyboard.press('Enter');
  await live(other);
});
