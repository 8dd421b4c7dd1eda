// The queue beside the board in Chromium: picked, moved by keyboard and by pointer, removed and put back, two tabs at once, 10,000 rows.
import assert from 'node:assert/strict';
import test from 'node:test';
import { check, LONG_MS, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const board = async (t, s, more = {}) => { const page = await open(t, '/', { server: s, ...more }); await page.locator('.qrow').first().waitFor(); return page; };
const shown = (page) => page.locator('.qrow .file').evaluateAll((all) => all.map((e) => e.title));
const paths = (s) => s.queue.order().map((id) => s.tests.get(id).path);
const same = async (page, s) => page.waitForFunction((want) => { const a = [...document.querySelectorAll('.qrow .file')].map((e) => e.title); return a.length > 5 && a.every((x, i) => x === want[i]); }, paths(s));
const told = (page, text) => page.locator('.note.told').getByText(text).waitFor();

test('keyboard: pick a stretch, move, remove, undo: the server has the order that is shown', { skip }, async (t) => {
  const s = await fresh(t), page = await board(t, s), had = s.queue.order();
  await page.locator('.queuelist').focus();
  for (const k of ['ArrowDown', 'ArrowDown', 'Shift+ArrowDown', 'Alt+ArrowUp']) await page.keyboard.press(k);
  await told(page, '2 tests moved to place 2');
  assert.deepEqual(s.queue.order().slice(0, 5), [had[0], had[2], had[3], had[1], had[4]]);
  await same(page, s);
  await page.keyboard.press('Alt+End');
  await told(page, '2 tests moved to place');
  assert.deepEqual(s.queue.order().slice(-2), [had[2], had[3]]);
  await page.keyboard.press('Alt+Home');
  await told(page, '2 tests moved to place 1');
  await page.keyboard.press('Delete');
  await told(page, '2 tests removed');
  assert.equal(s.queue.order().length, had.length - 2);
  await page.getByRole('button', { name: 'Undo' }).click();
  await told(page, '2 tests put back');
  assert.deepEqual(s.queue.order().slice(0, 2), [had[2], had[3]]);
  await same(page, s);
  await page.locator('.queuelist').focus();
  await page.keyboard.press('Home');
  for (let i = 0; i < 4; i++) await page.keyboard.press('Alt+ArrowDown');     // faster than answers come: each names the version before it
  await page.waitForFunction(() => document.querySelector('.note.told')?.textContent.includes('place 5'));
  await soon.equal(() => page.locator('.note.bad').count(), 0);
  await same(page, s);
});

test('pointer: a picked pair is dragged; Escape leaves it where it was', { skip }, async (t) => {
  const s = await fresh(t), page = await board(t, s), had = s.queue.order(), rowAt = (i) => page.locator(`#q-${i}`);
  await rowAt(1).click();
  await rowAt(2).click({ modifiers: ['Shift'] });
  await seen(page, '2 picked');
  const from = await rowAt(1).boundingBox(), to = await rowAt(6).boundingBox();
  await page.mouse.move(from.x + 60, from.y + 20);
  await page.mouse.down();
  await page.mouse.move(to.x + 60, to.y + 10, { steps: 5 });
  await page.locator('.qrow[data-drop=before]').waitFor();
  await page.keyboard.press('Escape');
  await page.mouse.up();
  assert.deepEqual(s.queue.order(), had);
  await page.mouse.move(from.x + 60, from.y + 20);
  await page.mouse.down();
  await page.mouse.move(to.x + 60, to.y + 8, { steps: 5 });
  await page.mouse.up();
  await told(page, '2 tests moved to place 5');
  assert.deepEqual(s.queue.order().slice(0, 7), [had[0], had[3], had[4], had[5], had[1], had[2], had[6]]);
  await same(page, s);
});

test('all at once: longest first, shuffle, duplicates, clear, pause', { skip }, async (t) => {
  const s = await fresh(t), page = await board(t, s);
  const change = async (name) => { await page.getByRole('button', { name: 'Change' }).click(); await page.locator('#queue-menu').getByRole('button', { name }).click(); };
  s.work.startLaunch({ project: 'docs', files: ['smoke/boot.sh'] }); s.work.startLaunch({ project: 'docs', files: ['smoke/boot.sh'] });
  await page.waitForFunction(() => /52 waiting/.test(document.querySelector('.queue h2')?.textContent));
  await page.getByRole('button', { name: 'Change' }).click();
  await soon.deepEqual(() => check(page), []);
  await page.locator('#queue-menu').getByRole('button', { name: 'Remove duplicates 1' }).click();
  await told(page, '1 duplicate removed');
  await change('Longest first');
  await told(page, 'The longest come first');
  await same(page, s);
  await change('Shuffle');
  await told(page, 'Shuffled');
  await same(page, s);
  await change('Remove all');
  await told(page, '51 tests removed');
  await seen(page, 'Nothing is waiting');
  await change('Put back 51 tests');
  await told(page, '51 tests put back');
  await same(page, s);
  await page.getByRole('button', { name: 'Pause' }).click();
  await seen(page, 'What runs goes on; nothing new starts.');
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.locator('.note.paused').waitFor({ state: 'detached' });
});

test('two tabs: the slower one loses nothing, is told, and may do it all the same', { skip }, async (t) => {
  const s = await fresh(t), page = await board(t, s, { quiet: false }), had = s.queue.order();
  const arrive = s.hold();
  await page.locator('.queuelist').focus();
  await page.keyboard.press('Delete');
  s.queue.touch((o) => [...o.slice(1), o[0]]);                         // somebody else, while the order is on its way
  arrive();
  await seen(page, 'Somebody changed the queue at the same moment, so nothing was done.');
  assert.equal(s.queue.order().length, had.length);
  await same(page, s);
  await page.getByRole('button', { name: 'Do it all the same' }).click();
  await told(page, '1 test removed');
  assert.deepEqual(s.queue.order(), had.slice(1));
  await same(page, s);
});

test('live: what begins leaves, what is added comes, what is read stays', { skip }, async (t) => {
  const s = await fresh(t), page = await board(t, s, { quiet: false }), order = s.queue.order();
  await page.locator('#q-5').click();
  const begun = s.tests.get(order[0]);
  s.tests.get(order[0]).state = 'running'; begun.run = 1;
  s.queue.taken();
  await page.waitForFunction(() => /49 waiting/.test(document.querySelector('.queue h2')?.textContent));
  await same(page, s);
  s.work.startLaunch({ project: 'docs', files: ['smoke/boot.sh'], at: 'front' });
  await page.waitForFunction(() => document.querySelector('#q-0 .file')?.title === 'smoke/boot.sh');
  await page.getByLabel('Filter the queue').fill('boot');
  await page.waitForFunction(() => document.querySelectorAll('.qrow').length === 1);
  await page.getByLabel('Filter the queue').press('Enter');
  assert.equal(s.seen.filter((x) => x.startsWith('POST')).length, 0, 'Enter in a filter changes nothing');
  s.faults.status.set('/queue', 500);
  s.queue.touch();
  await seen(page, 'The queue could not be read again');
  s.faults.status.clear();
  await page.locator('.queue').getByRole('button', { name: 'Try again' }).click();
  await page.getByText('The queue could not be read again').waitFor({ state: 'detached' });
});

test('10,000 rows: swept without a blank, at the end at once, filtered in an instant', { skip }, async (t) => {
  const s = await fresh(t, { files: 10_000 });
  for (const l of s.launches.values()) if (l.state === 'running') l.tests.waiting = 0;
  for (const x of s.tests.values()) if (x.state === 'waiting') x.state = 'removed';
  s.work.startLaunch({ project: 'docs', files: s.work.trees.get(1).tests });
  const page = await board(t, s);
  await page.waitForFunction(() => /10,000 waiting/.test(document.querySelector('.queue h2')?.textContent) && document.querySelector('.qrow')?.getAttribute('aria-setsize') === '10000', null, { timeout: LONG_MS });
  const r = await page.evaluate(async () => {
    const list = document.querySelector('.queuelist'), frame = () => new Promise((ok) => requestAnimationFrame(() => setTimeout(ok)));
    let blank = 0;
    for (let i = 0; i <= 120; i++) { list.scrollTop = (list.scrollHeight * i) / 120; await frame(); if (!list.querySelector('.qrow')) blank++; }
    const t0 = performance.now();
    list.dispatchEvent(new KeyboardEvent('keydown', { key: 'End', bubbles: true }));
    await frame();
    return { blank, end: performance.now() - t0, last: list.querySelector('.qrow[data-here] .pos')?.textContent, rows: list.querySelectorAll('.qrow').length };
  });
  t.diagnostic(JSON.stringify(r));
  assert.equal(r.blank, 0);
  assert.equal(r.last, '10,000');
  assert.ok(r.rows < 60, `${r.rows} rows`);
});
