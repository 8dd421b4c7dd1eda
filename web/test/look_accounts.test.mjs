// The screens of accounts in light and dark, wide and narrow: axe finds nothing, nothing scrolls sideways. WRATA_SHOTS keeps the pictures.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { check, fake, open, overflow, shots, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const ACCOUNT = {
  signin: ['/signin', '', 'Sign in'], signup: ['/signup', '', 'Create an account'], forgot: ['/forgot', '', 'A new password'], waiting: ['/', 'jo', 'Waiting to be verified'], welcome: ['/welcome#LINK', '', 'Welcome to wrata'], dead: ['/welcome#none', '', 'This link is of no use any more'],
  profile: ['/account', 'admin', 'You'], password: ['/account/password', 'admin', 'A new password'], sessions: ['/account/sessions', 'admin', 'this one'], tokens: ['/account/tokens', 'admin', 'Make a token'],
  variables: ['/account/variables', 'admin', 'Paste lines'], mail: ['/account/mail', 'admin', 'Mail about your launches and schedules'], delete: ['/account/delete', 'admin', 'Goes for good'], users: ['/admin/users', 'admin', 'Add a user'], user: ['/admin/users/4', 'admin', 'Ways in'], audit: ['/admin/audit', 'admin', 'refused only'], kept: ['/admin/retention', 'admin', 'Artifacts'], cost: ['/admin/cost', 'admin', 'For no run'], hook: ['/admin/hooks/1', 'admin', 'server_lost #9'], denied: ['/admin/users', 'mira', 'You may not see this'], offline: ['/account', '', 'Accounts are off'],
};
for (const scheme of ['light', 'dark']) for (const width of [1440, 390]) test(`account screens in ${scheme} at ${width}: axe, no sideways scroll`, { skip }, async (t) => {
  const own = await start({ speed: 0, accounts: {} });
  t.after(() => own.close());
  const link = own.acc.link(own.acc.byLogin('jo'), 'invite').url.split('#')[1], pages = new Map();
  for (const [name, [address, as, text]] of Object.entries(ACCOUNT)) {
    const server = name === 'offline' ? fake : own, key = `${as}${server === fake}`;
    if (!pages.has(key)) pages.set(key, await open(t, '/forgot', { scheme, width, height: width < 500 ? 844 : 900, server, as, quiet: false }));
    const page = pages.get(key);
    await page.goto(server.url + address.replace('LINK', link));
    await page.locator('main').getByText(text, { exact: true }).first().waitFor();
    await page.evaluate(() => document.fonts.ready);
    await soon.deepEqual(() => check(page), [], name);
    await soon.ok(async () => await overflow(page) <= 0, `${name} scrolls sideways`);
    await page.screenshot({ path: path.join(shots, `account-${name}-${scheme}-${width}.png`), fullPage: true });
  }
  const page = pages.get('adminfalse');
  await page.goto(`${own.url}/account/tokens`);
  await page.getByLabel('Name').fill('laptop');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByText('It is shown this once').waitFor();
  await page.getByRole('button', { name: /^Account/ }).click();
  await soon.deepEqual(() => check(page), [], 'a new token, the menu');
  await page.screenshot({ path: path.join(shots, `account-menu-${scheme}-${width}.png`) });
  own.acc.endAll();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByText('Fill this in.').first().waitFor();
  await soon.deepEqual(() => check(page), [], 'a field left empty');
  await page.getByLabel('Name').fill('other');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await page.getByRole('dialog', { name: 'Your session is over' }).waitFor();
  await soon.deepEqual(() => check(page), [], 'the session is over');
  await page.screenshot({ path: path.join(shots, `account-over-${scheme}-${width}.png`) });
});
