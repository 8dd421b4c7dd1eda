// A person's whole way against a real server: nothing there, first steps, tick, run, watch, the failure; then a second person.
// WRATA_URL, WRATA_FIRST (path of the first admin's link), WRATA_REPO (a repository with the demo's suite and hostile names).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { check, overflow } from './axe.mjs';
import { slowDown } from './slow.mjs';
import { ARGS, CHROMIUM, focused, patient, PATIENCE_MS, soon } from './soon.mjs';

const { WRATA_FIRST: first, WRATA_REPO: repo, WRATA_SHOTS: shots } = process.env, base = process.env.WRATA_URL?.replace(/\/$/, '');
const skip = !base || !first || !repo ? 'WRATA_URL, WRATA_FIRST, WRATA_REPO are not set' : !fs.existsSync(CHROMIUM) ? `${CHROMIUM} is not installed` : false;

test('sign in, first steps, compose, run, watch, failure', { skip, timeout: 800_000 }, async (t) => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS, timeout: 120_000 });
  t.after(async () => { if (shots) await page.screenshot({ path: path.join(shots, 'real-last.png') }).catch(() => {}); await browser.close(); });
  const page = await browser.newPage({ viewport: { width: 1440, height: 900 } }), wrong = [];
  page.setDefaultTimeout(PATIENCE_MS);
  await slowDown(page);
  await page.addInitScript(patient);
  page.on('pageerror', (e) => wrong.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) wrong.push(m.text()); });
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) => console.error(`violated ${e.violatedDirective} ${e.blockedURI}`)));
  const look = async (name) => {
    await page.evaluate(() => document.fonts.ready);
    await soon.deepEqual(async () => (await check(page)).filter((f) => /^(serious|critical)/.test(f)), [], name);
    await soon.ok(async () => await overflow(page) <= 0, `${name} scrolls sideways`);
    if (shots) { fs.mkdirSync(shots, { recursive: true }); await page.screenshot({ path: path.join(shots, `real-${name}.png`) }); }
  };
  const field = (name) => page.getByLabel(name, { exact: true });

  await page.goto(base + first);
  await field('Login').fill('boss');
  await field('Password').fill('a long sentence for the boss');
  await field('Password again').fill('a long sentence for the boss');
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Account boss' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${base}/signin`);
  await page.goto(`${base}/compose`);
  await page.waitForURL((u) => u.pathname === '/signin' && u.searchParams.get('next') === '/compose');
  await field('Login').fill('boss');
  await field('Password').fill('a long sentence for the boss');
  await page.keyboard.press('Enter');
  await page.getByText('No projects yet').waitFor();

  // From nothing: a project, this computer.
  await page.getByRole('link', { name: 'Board' }).click();
  await page.getByText('Three steps to the first run').waitFor();
  await look('first-steps');
  await page.getByRole('button', { name: 'Add a project' }).click();
  await page.getByLabel('Repository').fill(repo);
  await page.getByLabel('Name').fill('shop');
  await page.getByRole('button', { name: 'Add the project' }).click();
  await page.getByText('There is one.').waitFor();
  await page.getByRole('button', { name: 'Add a server' }).click();
  await page.getByRole('button', { name: 'Use this computer' }).click();
  await page.getByText('There is one.').nth(1).waitFor();
  await page.getByRole('main').getByRole('link', { name: 'Compose' }).click();

  // The tree: tests alone, names as text.
  const row = (p) => page.locator('.frow', { has: page.locator(`.name[title="${p}"]`) });
  await row('spec/').waitFor();
  await page.getByText('<img src=x onerror=alert(1)>.sh').waitFor();
  await look('compose');
  const search = page.getByLabel('Search files');
  await search.fill('spec/*_spec.rb');
  await page.getByText(/^\d+ of \d+ files$/).waitFor();
  await soon.equal(() => page.getByText('alert(1)').count(), 0);
  await row('spec/').locator('.tick').click();
  await field('Languages').selectOption('de-DE');
  await field('Languages').selectOption('fr-FR');
  await field('Variables of this launch').fill('WRATA_RUN_ID=1');
  await page.getByRole('button', { name: /^Run \d+ tests$/ }).click();
  await page.locator('.field[data-wrong] .wrong').getByText('WRATA_RUN_ID').waitFor();
  await look('compose-fault');
  await field('Variables of this launch').fill('GREETING=two words');
  await search.fill('');
  await row('<img src=x onerror=alert(1)>.sh').locator('.tick').click();
  await soon.match(() => page.locator('.sum b').innerText(), /= \d+ tests/);
  const sum = await page.locator('.sum b').innerText(), n = Number(/= (\d+) tests/.exec(sum)[1]);
  await page.getByRole('button', { name: `Run ${n} tests` }).click();
  await page.getByText('at the end of your queue').waitFor();
  await look('started');
  const { items } = await page.evaluate(async () => (await fetch('/api/v1/launches')).json());
  assert.equal(items.length, 1, 'one press, one launch');
  assert.equal(items[0].tests.total, n);
  assert.equal(items[0].user.login, 'boss');

  // Watch it, to the failure.
  await focused(page.getByRole('link', { name: 'Watch it' }));
  await page.keyboard.press('Enter');
  await page.waitForURL(`${base}/launches/${items[0].id}`);
  await page.locator('.failure').first().waitFor({ timeout: 120_000 });
  await page.locator('.failure .message').first().waitFor();
  await look('failure');
  await page.locator('.failure').first().getByRole('link', { name: 'Open the run' }).click();
  await page.waitForURL(/\/runs\/\d+#ex-\d+$/);
  await page.getByRole('tab', { name: 'Log' }).click();
  await page.locator('.lrow').first().waitFor();

  // The queue beside the board: paused, filled, moved, removed and put back; the server has the order that is shown.
  const order = async () => (await page.evaluate(async () => (await fetch('/api/v1/queue?limit=500')).json())).items.map((x) => x.path + x.language);
  await page.getByRole('link', { name: 'Board' }).click();
  await page.getByRole('button', { name: 'Pause' }).click();
  await page.getByText('What runs goes on; nothing new starts.').waitFor();
  await page.getByRole('navigation').getByRole('link', { name: 'Compose' }).click();
  await page.getByRole('button', { name: `Run ${n} tests` }).click();
  await page.getByText('at the end of your queue').waitFor();
  await page.getByRole('link', { name: 'Board' }).click();
  await page.locator('.qrow').nth(5).waitFor();
  await look('queue');
  const had = await order();
  await page.locator('.queuelist').focus();
  for (const k of ['ArrowDown', 'ArrowDown', 'Shift+ArrowDown', 'Alt+Home']) await page.keyboard.press(k);
  await page.locator('.note.told').getByText('2 tests moved to place 1').waitFor();
  assert.deepEqual((await order()).slice(0, 4), [had[2], had[3], had[0], had[1]]);
  await page.keyboard.press('Delete');
  await page.locator('.note.told').getByText('2 tests removed').waitFor();
  assert.equal((await order()).length, had.length - 2);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.locator('.note.told').getByText('2 tests put back').waitFor();
  assert.deepEqual((await order()).slice(0, 4), [had[2], had[3], had[0], had[1]]);
  await page.getByRole('button', { name: 'Resume' }).click();
  await page.waitForFunction((n) => document.querySelector('.queue .n')?.textContent.startsWith(`${n} `) === false, n);

  // A list of what is ticked, run by one press, and by itself from now on.
  await page.getByRole('navigation').getByRole('link', { name: 'Compose' }).click();
  await page.getByRole('button', { name: 'Save as list' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('whole <b>shop</b>');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Open it' }).click();
  await page.getByRole('heading', { name: 'whole <b>shop</b>' }).waitFor();
  await look('list');
  await page.getByRole('button', { name: 'Run whole <b>shop</b>' }).click();
  await page.getByText(`${n} tests started.`).waitFor();
  await page.getByRole('link', { name: 'Add a schedule' }).click();
  await page.getByLabel('Time zone').fill('Nowhere/At_All');
  await page.locator('.field[data-wrong] .wrong').getByText('Nowhere/At_All').waitFor();
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  await page.locator('.preview li').nth(4).waitFor();
  for (const [kind, label, value] of [['Cron expression', 'Expression', '30 2 * * mon-fri'], ['Every so many hours', 'Hours', '6'], ['Once', 'Date and time', '2031-05-01T10:00']]) {
    await page.getByRole('button', { name: kind }).click();
    await page.getByLabel(label, { exact: true }).fill(value);
    await page.locator('.preview li').first().waitFor();
  }
  await page.getByRole('button', { name: 'On days of the week' }).click();
  await page.locator('.preview li').nth(4).waitFor();
  await look('schedule');
  await page.getByRole('button', { name: 'Add the schedule' }).click();
  await page.getByText('It has not been due yet.').waitFor();
  await page.getByRole('switch').click();
  await page.waitForFunction(() => document.querySelector('[role=switch]')?.getAttribute('aria-checked') === 'false');
  await page.getByRole('link', { name: 'Schedules' }).last().click();
  await look('schedules');
  await page.getByRole('navigation', { name: 'Main' }).getByRole('link', { name: 'Servers' }).click();
  await page.getByRole('button', { name: 'Book servers' }).click();
  const dialog = page.getByRole('dialog', { name: 'Book servers' });
  await dialog.getByLabel('How many').fill('0');
  await dialog.getByRole('button', { name: /^Book/ }).first().click();
  await dialog.locator('.field .wrong').waitFor();
  await dialog.getByLabel('How many').fill('2');
  await dialog.getByLabel('Size').selectOption('small');
  await dialog.getByText('2 × small').waitFor();
  await look('book');
  await dialog.getByRole('button', { name: 'Book 2 servers' }).click();
  await page.locator('.taken').getByText('2 ready').waitFor({ timeout: 120_000 });
  await page.getByText('booked by you').nth(1).waitFor();
  await look('servers');
  await page.getByRole('link', { name: 'local-1', exact: true }).click();
  await page.getByText('Disk free').waitFor();
  await look('server');
  await page.goBack();
  // What was started above may still run there: a machine at work is not switched off without a second question.
  await page.waitForFunction(async () => { const { tests } = await (await fetch('/api/v1/status')).json(); return tests.waiting + tests.running === 0; }, null, { timeout: 120_000, polling: 200 });
  await page.locator('.servers > li', { hasText: 'lab-1' }).getByText(/^Idle: its machine goes in/).waitFor();
  await page.getByRole('button', { name: /^Switch off: lab-1/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Switch off', exact: true }).click();
  await page.locator('.servers > li', { hasText: 'lab-1' }).getByText(/^(being destroyed|off)$/).waitFor();
  await page.getByRole('button', { name: /^Give back mine/ }).click();
  await page.locator('.note.told').getByText('given back').waitFor();
  assert.deepEqual(wrong, []);
});
