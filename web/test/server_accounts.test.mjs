// People and their accounts against a real, fresh server: WRATA_URL, and WRATA_FIRST, the path of the first admin's link.
// WRATA_LAUNCH is a launch of somebody else that runs meanwhile. Nothing is started here.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { check, overflow } from './axe.mjs';
import { slowDown } from './slow.mjs';
import { ARGS, CHROMIUM, patient, PATIENCE_MS, soon } from './soon.mjs';

const base = process.env.WRATA_URL?.replace(/\/$/, ''), first = process.env.WRATA_FIRST, launch = process.env.WRATA_LAUNCH, shots = process.env.WRATA_SHOTS;
const skip = !base || !first ? 'WRATA_URL and WRATA_FIRST are not set' : !fs.existsSync(CHROMIUM) ? `${CHROMIUM} is not installed` : false;
const BOSS = 'a long sentence for the boss', MIRA = 'and another one for mira', HOSTILE = '<img src=x onerror=alert(1)>';

test('first admin, sign up, wait, verify, token, session end, sign out', { skip, timeout: 800_000 }, async (t) => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS, timeout: 120_000 });
  t.after(() => browser.close());
  const wrong = [], sent = [];
  async function person(scheme, width = 1440) {
    const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 } }), page = await context.newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await slowDown(page);
    await page.addInitScript(patient);
    page.on('pageerror', (e) => wrong.push(String(e)));
    page.on('console', (m) => { if (m.type() === 'error' && !/status of 4\d\d/.test(m.text())) wrong.push(m.text()); });
    page.on('request', (r) => sent.push(r.url()));
    await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) => console.error(`violated ${e.violatedDirective} ${e.blockedURI}`)));
    return page;
  }
  const heading = (page, name) => page.getByRole('heading', { name }).first().waitFor();
  const look = async (page, name) => {
    await page.evaluate(() => document.fonts.ready);
    for (const scheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme: scheme });
      await soon.deepEqual(async () => (await check(page)).filter((f) => /^(serious|critical)/.test(f)), [], `${name} ${scheme}`);
      await soon.ok(async () => await overflow(page) <= 0, `${name} scrolls sideways`);
      if (shots) { fs.mkdirSync(shots, { recursive: true }); await page.screenshot({ path: path.join(shots, `real-${name}-${scheme}.png`), fullPage: true }); }
    }
  };
  const field = (page, name) => page.getByLabel(name, { exact: true });

  // The first admin.
  const boss = await person('light');
  const head = await boss.goto(`${base}/signin`);
  assert.match(head.headers()['content-security-policy'] ?? '', /require-trusted-types-for 'script'/);
  await boss.getByText('Nobody can sign in as an admin yet').waitFor();
  await look(boss, 'signin');
  await boss.goto(base + first);
  await boss.getByText('This link makes the first admin').waitFor();
  assert.equal(boss.url(), `${base}/welcome`, 'the secret has left the address');
  await look(boss, 'first-admin');
  await field(boss, 'Login').fill('boss');
  await field(boss, 'E-mail').fill('boss@example.org');
  await field(boss, 'Password').fill(BOSS);
  await field(boss, 'Password again').fill(BOSS);
  await boss.keyboard.press('Enter');
  await boss.getByRole('button', { name: 'Account boss' }).waitFor();
  assert.ok(!sent.some((u) => u.includes(first.split('#')[1])), 'the secret is in no address that was asked for');

  // A second person signs up and waits.
  const mira = await person('dark', 390);
  await mira.goto(`${base}/launches/${launch}`);
  await mira.waitForURL((u) => u.pathname === '/signin');
  await mira.getByRole('link', { name: 'Create an account' }).click();
  await field(mira, 'Login').fill('mira');
  await field(mira, 'Password').fill('short');
  await field(mira, 'Password again').fill('short');
  await mira.keyboard.press('Enter');
  await mira.locator('.field[data-wrong]').first().waitFor();
  await look(mira, 'signup');
  await field(mira, 'Password').fill(MIRA);
  await field(mira, 'Password again').fill(MIRA);
  await field(mira, 'First name').fill(HOSTILE);
  await field(mira, 'E-mail').fill('mira@example.org');
  await mira.keyboard.press('Enter');
  await heading(mira, 'Waiting to be verified');
  await look(mira, 'waiting');
  await mira.getByRole('button', { name: 'Check again' }).click();
  await mira.getByText(/^Not yet, at/).waitFor();

  // The admin verifies her; what she is called is text.
  await boss.goto(`${base}/admin/users`);
  await boss.getByText(HOSTILE).waitFor();
  await soon.equal(() => boss.locator('main :is(img, script)').count(), 0);
  await boss.getByRole('button', { name: /1 waiting to be verified/ }).waitFor();
  await look(boss, 'users');
  await boss.getByRole('button', { name: 'Verify mira' }).click();
  await boss.waitForFunction(() => !document.querySelector('.usermenu .count'));
  await boss.getByRole('link', { name: 'mira' }).click();
  await heading(boss, 'Ways in');
  await boss.getByRole('button', { name: /Make a reset link|Make an invitation/ }).click();
  await boss.getByText(/\/welcome#/).waitFor();
  await look(boss, 'user');

  // She is in, and sees what she may: the launch of somebody else, without its stop button.
  await mira.getByRole('button', { name: 'Check again' }).click();
  await mira.locator('.headline').waitFor();
  await mira.getByText(/by operator/).waitFor();
  await soon.equal(() => mira.getByRole('button', { name: 'Stop' }).count(), 0);
  await boss.goto(`${base}/launches/${launch}`);
  await boss.getByRole('button', { name: 'Stop' }).waitFor();
  await mira.goto(`${base}/admin/users`);
  await heading(mira, 'You may not see this');
  await look(mira, 'denied');

  // A token: shown once, and it works.
  await mira.goto(`${base}/account/tokens`);
  await field(mira, 'Name').fill('laptop');
  await mira.getByRole('button', { name: 'Make the token' }).click();
  await mira.getByText('It is shown this once').waitFor();
  const token = await mira.locator('.secret code').innerText();
  const me = async () => { const r = await fetch(`${base}/api/v1/me`, { headers: { authorization: `Bearer ${token}` } }); return [r.status, (await r.json()).user?.login]; };
  assert.deepEqual(await me(), [200, 'mira']);
  await look(mira, 'tokens');
  await mira.reload();
  await mira.getByText('laptop', { exact: true }).waitFor();
  await soon.equal(() => mira.locator('.secret').count(), 0);

  // Variables: a secret stays one.
  await mira.goto(`${base}/account/variables`);
  await mira.getByRole('button', { name: 'Add a variable' }).click();
  await field(mira, 'Name of variable 1').fill('API_TOKEN');
  await field(mira, 'Value of API_TOKEN').fill('hush, my darling');
  await mira.getByRole('checkbox', { name: 'API_TOKEN is a secret' }).check();
  await mira.getByRole('button', { name: 'Save' }).click();
  await mira.getByText(/^Saved/).or(mira.getByRole('alert')).first().waitFor();
  assert.deepEqual(await mira.locator('main').getByRole('alert').allInnerTexts(), []);
  await soon.equal(() => field(mira, 'Value of API_TOKEN').inputValue(), '');
  await look(mira, 'variables');
  for (const [tab, text] of [['profile', 'You'], ['password', 'A new password'], ['sessions', '1 session'], ['delete', 'Delete the account mira']]) {
    await mira.goto(`${base}/account/${tab}`);
    await heading(mira, text);
    await look(mira, tab);
  }

  // Her session ends in the middle of her work: the page keeps what she typed and goes on.
  await mira.goto(`${base}/account`);
  await field(mira, 'Position').fill('QA engineer');
  const id = Number(/users\/(\d+)/.exec(await boss.evaluate(async () => { const r = await fetch('/api/v1/users?q=mira'); return `users/${(await r.json()).items[0].id}`; }))[1]);
  await boss.goto(`${base}/admin/users/${id}`);
  await boss.getByRole('button', { name: 'End all sessions' }).click();
  await boss.getByText('1 session ended.').waitFor();
  await mira.getByRole('button', { name: 'Save' }).click();
  const over = mira.getByRole('dialog', { name: 'Your session is over' });
  await over.waitFor();
  await look(mira, 'session-over');
  await over.getByLabel('Password', { exact: true }).fill('not this one');
  await mira.keyboard.press('Enter');
  await over.getByRole('alert').waitFor();
  await over.getByLabel('Password', { exact: true }).fill(MIRA);
  await mira.keyboard.press('Enter');
  await mira.getByText('Saved.').waitFor();

  // Out.
  await mira.goto(`${base}/account/tokens`);
  await mira.getByRole('button', { name: 'Revoke laptop' }).click();
  await mira.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await mira.getByText('0 tokens').waitFor();
  assert.equal((await me())[0], 401);
  await mira.getByRole('button', { name: 'Account mira' }).click();
  await mira.getByRole('button', { name: 'Sign out' }).click();
  await mira.waitForURL(`${base}/signin`);
  await field(mira, 'Login').fill('mira');
  await field(mira, 'Password').fill(MIRA);
  await mira.keyboard.press('Enter');
  await mira.waitForURL(`${base}/`);

  // What the admin reads about it afterwards.
  await boss.goto(`${base}/admin/audit?user=mira`);
  await boss.locator('.audit > li').first().waitFor();
  await soon.match(() => boss.locator('.audit').innerText(), /mira/);
  await look(boss, 'audit');
  const csv = await boss.evaluate(async (href) => { const r = await fetch(href); return [r.status, await r.text()]; }, await boss.getByRole('link', { name: 'Export CSV' }).getAttribute('href'));
  assert.equal(csv[0], 200);
  assert.ok(csv[1].includes('mira') && !csv[1].includes(MIRA) && !csv[1].includes('hush, my') && !csv[1].includes(token));
  assert.deepEqual(wrong, []);
});
