// Servers in Chromium against the stand-in: booked with progress, switched on and off, why each is as it is.
import assert from 'node:assert/strict';
import test from 'node:test';
import { check, focused, heldBack, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const row = (page, name) => page.locator('.servers > li', { has: page.getByRole('link', { name, exact: true }) });
const byName = (s, name) => [...s.servers.values()].find((x) => x.name === name);

test('book three of a size: what it costs, how far it is, and back', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/servers', { server: s, quiet: false });
  const fleets = await heldBack(page, '**/api/v1/fleets');
  await page.reload();
  await row(page, 'qa-02').waitFor();
  await page.getByRole('button', { name: 'Book servers' }).click();
  const dialog = page.getByRole('dialog', { name: 'Book servers' });
  await dialog.locator('.skeleton').waitFor();                         // what can be booked is not known yet
  fleets();
  await dialog.getByLabel('How many').fill('9');
  await dialog.getByLabel('Size').selectOption('small');
  await dialog.getByText('9 × small = $0.067 an hour at most.').waitFor();
  await soon.deepEqual(() => check(page), []);
  await dialog.getByRole('button', { name: 'Book 9 servers' }).click();
  await dialog.locator('.field .wrong').getByText('9 servers are more than the 6 machines of cloud').waitFor();
  await dialog.getByLabel('How many').fill('3');
  s.faults.stuck = true;
  await dialog.getByRole('button', { name: 'Book 3 servers' }).click();
  await page.locator('.taken').getByText('0 ready, 3 on the way').waitFor();
  await page.locator('.taken').getByText('the cloud was asked for a machine').first().waitFor();
  await soon.deepEqual(() => check(page), []);
  for (const x of s.servers.values()) if (x.fleet === 'cloud') { Object.assign(x, { status: 'created', link: 'online', progress: '', machine: 'm', usd_per_hour: 0.00744 }); s.sendServer(x); }
  await page.locator('.taken').getByText('3 ready').waitFor();
  await row(page, 'cloud-1').getByText('booked by you').waitFor();
  await page.getByRole('button', { name: 'Give back mine (3)' }).click();
  await seen(page, '3 servers given back');
  assert.equal(byName(s, 'cloud-1').booked_by, null);
});

test('switching off asks, and asks again when runs are held; on again shows what it waits for', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/servers', { server: s, quiet: false });
  const x = s.fleet.fresh({ name: 'cloud-9', fleet: 'cloud', kind: 'digitalocean', machine: 'm9', usd_per_hour: 0.00744, destroys_at: new Date(Date.now() + 3_599_000).toISOString() });
  x.running.push({ run: 341, path: 'spec/a_spec.rb', launch: 7, slot: 0, started_at: new Date().toISOString() });
  s.sendServer(x);
  await row(page, 'cloud-9').getByText(/its machine goes in 5\dm \d\ds/).waitFor();
  await page.getByRole('button', { name: 'Switch off: cloud-9' }).click();
  await focused(page.getByRole('dialog').getByRole('button', { name: 'Keep running' }));
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  assert.equal(x.status, 'created', 'the safe button has the focus');
  await page.getByRole('button', { name: 'Switch off: cloud-9' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Switch off', exact: true }).click();
  await seen(page, 'cloud-9 holds 1 run');
  await page.getByRole('button', { name: 'Switch off all the same: runs are queued again' }).click();
  await row(page, 'cloud-9').getByText('off', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Switch on: cloud-9' }).click();
  await row(page, 'cloud-9').getByText('idle', { exact: true }).waitFor();
});

test('many at once, the filter, and why one is taken out', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/servers', { server: s });
  Object.assign(byName(s, 'qa-03'), { sick: '5 runs in a row failed within a second', sick_since: new Date().toISOString() });
  s.sendServer(byName(s, 'qa-03'));
  await row(page, 'qa-03').getByText('5 runs in a row failed within a second').waitFor();
  await row(page, 'qa-03').getByText('taken out').waitFor();
  await page.getByLabel('Pick qa-04').check();
  await page.getByLabel('Pick qa-06').click({ modifiers: ['Shift'] });
  await page.getByRole('button', { name: 'Maintenance 3' }).click();
  await seen(page, '3 servers in maintenance');
  assert.deepEqual(['qa-04', 'qa-05', 'qa-06', 'qa-07'].map((n) => !!byName(s, n).maintenance), [true, true, true, false]);
  await page.getByRole('button', { name: 'End maintenance 3' }).click();
  await seen(page, '3 servers back at work');
  await page.getByLabel('Filter servers').fill('state:lost');
  await page.waitForFunction(() => document.querySelectorAll('.servers > li').length === 1);
  await seen(page, 'no heartbeat for 40 s');
  await page.getByLabel('Filter servers').fill('');
  await page.getByRole('link', { name: 'qa-03', exact: true }).click();
  await page.getByRole('heading', { name: /qa-03/ }).waitFor();
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'End maintenance' }).click();
  await page.getByText('5 runs in a row').waitFor({ state: 'detached' });
});

test('servers are added, one by ssh and many by a pattern, and removed', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/servers?add', { server: s, quiet: false }), dialog = page.getByRole('dialog', { name: 'Add servers' });
  await dialog.getByLabel('Name').fill('qa-02');
  await dialog.getByLabel('Tests at a time').fill('x');
  await dialog.getByRole('button', { name: 'Add the server' }).click();
  await dialog.locator('.field .wrong').getByText('A number from 1 to 256.').waitFor();
  await dialog.getByLabel('Tests at a time').fill('2');
  await dialog.getByRole('button', { name: 'Add the server' }).click();
  await dialog.locator('.field .wrong').getByText('there is a server qa-02 already').waitFor();
  await soon.deepEqual(() => check(page), []);
  await dialog.getByLabel('Fleet').selectOption('cloud');
  await dialog.getByLabel('Name').fill('web-{0..3}');
  await dialog.getByRole('button', { name: 'Add 4 servers' }).click();
  await row(page, 'web-3').getByText('off', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'web-3', exact: true }).click();
  await page.getByLabel('When its idle machine goes').selectOption('0');
  await soon.equal(() => byName(s, 'web-3').idle_ms, 0);
  await page.getByRole('button', { name: 'Remove web-3' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Remove', exact: true }).click();
  await page.waitForURL(`${s.url}/servers`);
  assert.equal(byName(s, 'web-3'), undefined);
});

test('a record is edited: only what changed is sent, what is refused stands at its field', { skip }, async (t) => {
  const s = await fresh(t), x = byName(s, 'qa-09'), page = await open(t, `/servers/${x.id}`, { server: s, quiet: false }), dialog = page.getByRole('dialog', { name: 'Edit qa-09' });
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  await dialog.getByLabel('Name').fill('qa-02');
  await dialog.getByLabel('Tests at a time').fill('0');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.locator('.field .wrong').getByText('A number from 1 to 256.').waitFor();
  await dialog.getByLabel('Tests at a time').fill('3');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.locator('.field .wrong').getByText('there is a server named "qa-02" already').waitFor();
  await soon.deepEqual(() => check(page), []);
  await dialog.getByLabel('Name').fill('qa-99');
  await dialog.getByLabel('Address').fill('10.9.9.9');
  await dialog.getByLabel('Port').fill('');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: /qa-99/ }).waitFor();
  assert.deepEqual(x.edited, { name: 'qa-99', slots: 3, address: '10.9.9.9', port: 0 });
  const busy = [...s.servers.values()].find((y) => y.running.length);
  await page.goto(`${s.url}/servers/${busy.id}`);
  await page.getByRole('button', { name: 'Edit', exact: true }).click();
  const other = page.getByRole('dialog', { name: `Edit ${busy.name}` });
  await other.getByLabel('Tests at a time').fill('4');
  await other.getByRole('button', { name: 'Save' }).click();
  await other.getByText('put it into maintenance, and change it when').waitFor();
});

test('who is no admin, nothing there, and what fails', { skip }, async (t) => {
  const s = await fresh(t, { accounts: {} }), mira = await open(t, '/servers', { server: s, as: 'mira' });
  byName(s, 'qa-05').booked_by = { id: 2, login: 'admin' };
  s.sendServer(byName(s, 'qa-05'));
  await row(mira, 'qa-05').getByText('booked by admin').waitFor();
  await soon.equal(() => mira.getByRole('button', { name: 'Add servers' }).count(), 0);
  const hers = await open(t, `/servers/${byName(s, 'qa-05').id}`, { server: s, as: 'mira' });
  await hers.getByRole('heading', { name: /qa-05/ }).waitFor();
  await soon.equal(() => hers.getByRole('button', { name: 'Edit', exact: true }).count(), 0);
  await soon.equal(() => mira.getByRole('button', { name: 'Give back: qa-05' }).count(), 0, 'not hers');
  await mira.getByLabel('Pick qa-06').check();
  await soon.equal(() => mira.getByRole('button', { name: /^Maintenance/ }).count(), 0);
  await mira.getByRole('button', { name: 'Book 1' }).click();
  await row(mira, 'qa-06').getByText('booked by you').waitFor();
  const none = await fresh(t, { empty: true }), page = await open(t, '/servers', { server: none, quiet: false });
  await seen(page, 'No servers yet');
  await page.getByRole('button', { name: 'Use this computer' }).click();
  await row(page, 'local-1').waitFor();
  await page.goto(`${none.url}/servers/77`);
  await seen(page, 'Nothing at /servers/77');
  none.faults.status.set('/servers', 500);
  await page.goto(`${none.url}/servers`);
  await seen(page, 'The servers could not be loaded');
  none.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await row(page, 'local-1').waitFor();
});
