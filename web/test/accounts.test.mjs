// Accounts in Chromium against the stand-in server: what people and admins do, and what must not happen.
import assert from 'node:assert/strict';
import test from 'node:test';
import { check, open, seen, skip } from './browser.mjs';
import { PASSWORD } from './fake_accounts.mjs';
import { start } from './fake.mjs';

async function server(t, accounts = {}, more = {}) {
  const own = await start({ speed: 0, accounts, ...more });
  t.after(() => own.close());
  return own;
}
const signIn = async (page, login, password = PASSWORD) => {
  await page.getByLabel('Login').fill(login);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.keyboard.press('Enter');
};

test('sign in: wrong, slow down, right, and back to where one was going', { skip }, async (t) => {
  const own = await server(t);
  const page = await open(t, '/launches/12?tab=tests', { server: own, quiet: false });
  await page.waitForURL((u) => u.pathname === '/signin' && u.searchParams.get('next') === '/launches/12?tab=tests');
  assert.ok(!own.seen.some((r) => r.includes('/launches/')), 'nothing is asked for before it is known who asks');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.locator('.problem').getByText('Fill this in.').first().waitFor();
  await page.locator('.problem').getByRole('button', { name: 'Login' }).click();
  assert.equal(await page.evaluate(() => document.activeElement.name), 'login');
  await signIn(page, 'mira', 'not her password');
  await seen(page, 'Login or password is wrong.');
  own.acc.faults.login = 2;
  await page.keyboard.press('Enter');
  await page.getByLabel('Password', { exact: true }).press('Enter');
  await page.getByText(/Try again in [123] s\./).waitFor();
  assert.ok(await page.getByRole('button', { name: /^Wait \d s$/ }).isDisabled());
  const tries = own.seen.filter((r) => r === 'POST /api/v1/session').length;
  await page.getByLabel('Password', { exact: true }).press('Enter');
  own.acc.faults.login = null;
  await page.getByRole('button', { name: 'Sign in', exact: true }).waitFor({ timeout: 6000 });
  assert.equal(own.seen.filter((r) => r === 'POST /api/v1/session').length, tries, 'nothing is sent while one has to wait');
  await signIn(page, 'mira');
  await page.waitForURL((u) => u.pathname === '/launches/12' && u.search === '?tab=tests');
  await page.locator('.trow').first().waitFor();
});
test('a foreign next leads to the board', { skip }, async (t) => {
  const own = await server(t);
  for (const next of ['//evil.example/', 'https://evil.example/', '/\\evil.example', '/signin?next=/x', '/api/v1/me', 'javascript:alert(1)']) {
    const page = await open(t, `/signin?next=${encodeURIComponent(next)}`, { server: own, quiet: false });
    await signIn(page, 'mira');
    await page.waitForURL(`${own.url}/`);
  }
});

test('the session ends in the middle: the page stays, the call goes on after signing in', { skip }, async (t) => {
  const own = await server(t);
  const page = await open(t, '/account/tokens', { server: own, as: 'admin', quiet: false });
  await page.getByLabel('Name').fill('kept');
  own.acc.endAll();
  await page.getByRole('button', { name: 'Make the token' }).click();
  const dialog = page.getByRole('dialog', { name: 'Your session is over' });
  await dialog.waitFor();
  assert.equal(await dialog.getByLabel('Login').inputValue(), 'admin');
  await page.keyboard.press('Escape');
  await seen(page, 'the session is over');
  assert.equal(await page.getByLabel('Name').inputValue(), 'kept', 'what was typed is still there');
  await page.getByRole('button', { name: 'Make the token' }).click();
  await dialog.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await seen(page, 'It is shown this once');
  assert.equal([...own.acc.tokens.values()].filter((x) => x.name === 'kept').length, 1);
});
test('a stream that ends because the session did asks, too; what was there stays', { skip }, async (t) => {
  const own = await server(t);
  const page = await open(t, '/', { server: own, as: 'mira', quiet: false });
  await page.locator('.link[data-s=live]').waitFor();
  own.acc.endAll();
  own.cut();
  await page.getByRole('dialog', { name: 'Your session is over' }).waitFor({ timeout: 8000 });
  assert.equal(await page.locator('.tile').count(), 12);
  await page.getByRole('dialog').getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('.link[data-s=live]').waitFor({ timeout: 8000 });
});
test('signed in anew in another tab: a change is sent with the new word', { skip }, async (t) => {
  const own = await server(t);
  const page = await open(t, '/account', { server: own, as: 'mira', quiet: false });
  await page.getByLabel('Position').fill('Lead');
  for (const s of own.acc.sessions.values()) s.csrf = 'another';
  await page.getByRole('button', { name: 'Save' }).click();
  await seen(page, 'Saved.');
  assert.equal(own.acc.byLogin('mira').position, 'Lead');
});

test('the first admin: the secret leaves the address and is sent in a body', { skip }, async (t) => {
  const own = await server(t, { fresh: true });
  const page = await open(t, '/welcome#first', { server: own });
  await seen(page, 'This link makes the first admin');
  assert.equal(page.url(), `${own.url}/welcome`);
  assert.equal(await page.evaluate(() => history.length), 2);
  assert.ok(!own.seen.some((r) => r.includes('first')));
  await page.getByLabel('Login').fill('boss');
  await page.getByLabel('Password', { exact: true }).fill('short');
  await page.getByLabel('Password again', { exact: true }).fill('other');
  await page.keyboard.press('Enter');
  await page.locator('.field .wrong').getByText('It has 5 characters, and 10 are the least.').waitFor();
  await page.locator('.field .wrong').getByText('It is not the same as above.').waitFor();
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('Password again', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.waitForURL(`${own.url}/`);
  await page.getByRole('button', { name: 'Account boss' }).waitFor();
  assert.equal(own.acc.byLogin('boss').admin, true);
  await page.goto(`${own.url}/welcome`);
  await seen(page, 'Open the link again');
});
test('an address is confirmed; a used link says so', { skip }, async (t) => {
  const own = await server(t), link = own.acc.link(own.acc.byLogin('jo'), 'confirm').url.split('#')[1];
  const page = await open(t, `/welcome#${link}`, { server: own, quiet: false });
  await page.getByRole('button', { name: 'Confirm the address' }).click();
  await seen(page, 'The address is confirmed');
  assert.equal(own.acc.byLogin('jo').email_confirmed, true);
  await page.evaluate((l) => { location.hash = l; }, link);
  await seen(page, 'This link is of no use any more');
  assert.equal(page.url(), `${own.url}/welcome`);
});

test('sign up, wait, be verified', { skip }, async (t) => {
  const own = await server(t);
  const page = await open(t, '/signup', { server: own, quiet: false });
  await page.getByLabel('Login').fill('mira');
  await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
  await page.getByLabel('Password again', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.locator('.field[data-wrong]').getByText("'mira' is taken").waitFor();
  await page.getByLabel('Login').fill('newcomer');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Waiting to be verified' }).waitFor();
  const asked = own.seen.length;
  assert.ok(!own.seen.some((r) => /board|stream/.test(r)));
  await page.waitForTimeout(1200);
  assert.equal(own.seen.length, asked, 'waiting asks for nothing');
  await page.getByRole('button', { name: 'Check again' }).click();
  await page.getByText(/^Not yet, at/).waitFor();
  await page.goto(`${own.url}/account/tokens`);
  await seen(page, 'once an admin has verified your account');
  const boss = await open(t, '/admin/users', { server: own, as: 'admin' });
  await boss.getByRole('button', { name: /3 waiting to be verified/ }).waitFor();
  await boss.getByRole('button', { name: 'Verify newcomer' }).click();
  await boss.getByRole('button', { name: /2 waiting to be verified/ }).waitFor();
  await page.goto(own.url);
  await seen(page, 'regression');
});
test('verify many; names are text', { skip }, async (t) => {
  const own = await server(t, { crowd: 60 });
  const page = await open(t, '/admin/users', { server: own, as: 'admin' });
  await seen(page, '<img src=x onerror=alert(1)>');
  assert.equal(await page.locator('main :is(img, script)').count(), 0);
  await seen(page, '\\u202egnp <script>alert(2)</script>');
  assert.equal(await page.locator('.users > li').count(), 50);
  await page.getByRole('button', { name: 'Show more' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.users > li').length === 65);
  await page.getByRole('checkbox', { name: '2 users wait to be verified' }).check();
  await page.getByRole('button', { name: 'Verify 2 users' }).click();
  await page.waitForFunction(() => !document.querySelector('.usermenu .count'));
  assert.ok([...own.acc.users.values()].every((u) => u.deleted || u.verified_at));
  await page.getByRole('searchbox', { name: 'Search users' }).fill('nobody like this');
  await seen(page, 'Nobody fits');
  await page.getByRole('searchbox', { name: 'Search users' }).fill('sam');
  await page.waitForFunction(() => document.querySelectorAll('.users > li').length === 1);
  assert.match(page.url(), /q=sam/);
});
test('admin: lock, link, sessions, delete, the last admin', { skip }, async (t) => {
  const own = await server(t), mira = own.acc.byLogin('mira');
  own.acc.open(mira);
  const page = await open(t, `/admin/users/${mira.id}`, { server: own, as: 'admin', quiet: false });
  await page.getByRole('button', { name: 'Make a reset link' }).click();
  await page.getByText(/\/welcome#/).waitFor();
  await page.getByRole('button', { name: 'End all sessions' }).click();
  await seen(page, '1 session ended.');
  await page.getByRole('button', { name: 'Lock', exact: true }).click();
  await page.getByRole('button', { name: 'Unlock' }).waitFor();
  assert.ok(mira.locked_at);
  await page.getByRole('button', { name: 'Delete the account…' }).click();
  await page.getByText('1 launch running now').waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Keep the account');
  assert.deepEqual(await check(page), []);
  await page.getByRole('button', { name: 'Delete for good' }).click();
  await page.waitForURL(/\/admin\/users$/);
  assert.equal(mira.deleted, true);
  await page.goto(`${own.url}/admin/users/${own.acc.byLogin('admin').id}`);
  await page.getByRole('button', { name: 'No admin any more' }).click();
  await seen(page, 'admin is the last admin');
  await page.goto(`${own.url}/admin/users/999`);
  await seen(page, 'Nothing at /admin/users/999');
  await page.goto(`${own.url}/admin/users`);
  await page.getByRole('button', { name: 'Add a user' }).click();
  await page.getByRole('dialog').getByLabel('Login').fill('guest');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').getByText(/\/welcome#/).waitFor();
});

test('variables: a secret is never shown again and keeps its value', { skip }, async (t) => {
  const own = await server(t), boss = own.acc.byLogin('admin');
  const page = await open(t, '/account/variables', { server: own, as: 'admin' });
  const secret = page.getByLabel('Value of API_TOKEN');
  assert.equal(await secret.inputValue(), '');
  await page.getByLabel('Value of SPEC_REGION').fill('us');
  await page.getByRole('button', { name: 'Add a variable' }).click();
  await page.keyboard.type('1BAD');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText(/1BAD: a name has letters/).waitFor();
  await page.getByLabel('Name of variable 3').fill('DB_PASSWORD');
  await page.getByLabel('Value of DB_PASSWORD').fill('x y');
  await page.getByRole('checkbox', { name: 'DB_PASSWORD is a secret' }).check();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText(/^Saved/).waitFor();
  assert.deepEqual(own.acc.env.get(boss.id), [{ name: 'SPEC_REGION', secret: false, value: 'us' }, { name: 'API_TOKEN', secret: true, value: 'hidden' }, { name: 'DB_PASSWORD', secret: true, value: 'x y' }]);
  assert.equal(await page.getByLabel('Value of DB_PASSWORD').inputValue(), '');
  await page.getByRole('button', { name: 'Paste lines' }).click();
  await page.getByLabel('Lines of an .env file').fill('# comment\nexport A_KEY="q"\nB=2\n');
  await page.getByRole('button', { name: 'Add them' }).click();
  assert.ok(await page.getByRole('checkbox', { name: 'A_KEY is a secret' }).isChecked());
  await page.getByRole('button', { name: 'Remove API_TOKEN' }).click();
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByText(/^Saved/).waitFor();
  assert.deepEqual(own.acc.env.get(boss.id).map((l) => l.name), ['SPEC_REGION', 'DB_PASSWORD', 'A_KEY', 'B']);
});
test('password, sessions, sign out, delete', { skip }, async (t) => {
  const own = await server(t), mira = own.acc.byLogin('mira');
  own.acc.open(mira, 'Mozilla/5.0 (X11; Linux) Firefox/140.0'); own.acc.open(mira); own.acc.open(mira);
  const page = await open(t, '/account/sessions', { server: own, as: 'mira', quiet: false });
  await page.getByRole('button', { name: /^End the session on Firefox on Linux/ }).click();
  await page.getByRole('heading', { name: '3 sessions' }).waitFor();
  await page.getByRole('button', { name: 'End the other 2' }).click();
  await seen(page, 'You are signed in here and nowhere else.');
  await page.goto(`${own.url}/account/password`);
  await page.getByLabel('Current password', { exact: true }).fill('wrong');
  await page.getByLabel('New password', { exact: true }).fill('another good one');
  await page.getByLabel('New password again', { exact: true }).fill('another good one');
  await page.keyboard.press('Enter');
  await page.locator('.field[data-wrong]').getByText('it is not your password').waitFor();
  await page.getByLabel('Current password', { exact: true }).fill(PASSWORD);
  await page.keyboard.press('Enter');
  await page.getByText(/^Changed\./).waitFor();
  assert.equal(mira.password, 'another good one');
  await page.getByRole('button', { name: 'Account mira' }).click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.waitForURL(`${own.url}/signin`);
  assert.equal(own.acc.sessions.size, 1, "the admin's of the beginning");
  await signIn(page, 'mira', 'another good one');
  await page.waitForURL(`${own.url}/`);
  await page.goto(`${own.url}/account/delete`);
  await page.getByLabel('Your password', { exact: true }).fill('another good one');
  await page.keyboard.press('Enter');
  await seen(page, 'Your account is deleted.');
  assert.equal(mira.deleted, true);
});

test('stop is there for who started it and for admins', { skip }, async (t) => {
  const own = await server(t), l = [...own.launches.values()].find((x) => x.state === 'running'), r = [...own.runs.values()].find((x) => x.state === 'running');
  const other = own.acc.byLogin('sam');
  other.locked_at = null;
  for (const [as, n] of [['mira', 1], ['admin', 1], ['sam', 0]]) for (const address of [`/launches/${l.id}`, `/runs/${r.id}`]) {
    const page = await open(t, address, { server: own, as });
    await page.locator('.headline').waitFor();
    await page.locator('.crumb a, .headline .sub').getByText(/regression|by mira/).first().waitFor();
    assert.equal(await page.getByRole('button', { name: 'Stop' }).count(), n, `${as} ${address}`);
  }
});
test('audit log: filters live in the address and in the export', { skip }, async (t) => {
  const own = await server(t);
  const page = await open(t, '/admin/audit', { server: own, as: 'admin' });
  await page.waitForFunction(() => document.querySelectorAll('.audit > li').length === 50);
  await seen(page, '<b>mallory</b>');
  assert.equal(await page.locator('.audit b').count(), 0);
  await page.getByRole('checkbox', { name: 'refused only' }).check();
  await page.waitForFunction(() => document.querySelectorAll('.audit > li').length === 10);
  await page.getByRole('searchbox', { name: 'Action' }).fill('session');
  await page.waitForURL((u) => u.searchParams.get('refused') === '1' && u.searchParams.get('action') === 'session');
  await page.locator('a[download="audit.csv"][href*="action=session"]').waitFor();
  assert.match(await page.getByRole('link', { name: 'Export CSV' }).getAttribute('href'), /^\/api\/v1\/audit\/export\?(?=.*refused=1)(?=.*action=session).*format=csv$/);
  await page.getByRole('searchbox', { name: 'Action' }).fill('nothing.like.it');
  await seen(page, 'Nothing fits the filter');
  const by = await open(t, '/admin/audit?user=admin', { server: own, as: 'admin' });
  await by.waitForFunction(() => document.querySelectorAll('.audit > li').length === 50);
  assert.equal(await by.getByText('<b>mallory</b>').count(), 0);
  assert.match(await by.getByRole('link', { name: 'Export JSON' }).getAttribute('href'), /[?&]user=2&/);
  await by.getByRole('searchbox', { name: 'User' }).fill('nemo');
  await seen(by, 'There is no user nemo');
  own.faults.status.set('/audit', 500);
  const broken = await open(t, '/admin/audit', { server: own, as: 'admin', quiet: false });
  await seen(broken, 'The audit log could not be loaded');
});
test('accounts off: no way in, a quiet note', { skip }, async (t) => {
  const own = await server(t, null);
  const page = await open(t, '/signin', { server: own });
  await page.getByRole('heading', { name: 'Accounts are off' }).waitFor();
  await page.getByRole('button', { name: 'Menu' }).click();
  await seen(page, 'Accounts are off: everybody who reaches this address may do everything.');
  assert.equal(await page.getByRole('link', { name: 'Sign in' }).count(), 0);
  assert.equal(await page.getByRole('button', { name: 'Sign out' }).count(), 0);
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('.pop').isVisible(), false);
});
