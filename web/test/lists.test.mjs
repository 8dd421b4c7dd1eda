// Lists and schedules in Chromium against the stand-in: saved, opened, run, started by themselves.
import assert from 'node:assert/strict';
import test from 'node:test';
import { check, focused, heldBack, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const row = (page, p) => page.locator('.frow', { has: page.locator(`.name[title="${p}"]`) });

test('ticked files become a list, which is opened and replaced', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose?lang=de-DE&loc=com+us', { server: s, quiet: false });
  await row(page, 'smoke/').locator('.tick').click();
  await page.getByRole('button', { name: 'Save as list' }).click();
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await seen(page, 'Fill this in.');
  await page.getByRole('dialog').getByLabel('Name').fill('full docs');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await seen(page, 'There is a list “full docs” already.');
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('dialog').getByLabel('Name').fill('smoke');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('dialog').getByRole('link', { name: 'Open it' }).click();
  await page.getByRole('heading', { name: 'smoke' }).waitFor();
  const l = [...s.lists.all.values()].at(-1);
  assert.deepEqual([l.files, l.languages, l.location], [['smoke/boot.sh'], ['de-DE'], 'com us']);
  await page.getByRole('link', { name: 'Edit in Compose' }).click();
  await row(page, 'smoke/').waitFor();
  await seen(page, 'from the list');
  await page.getByLabel('Search files').fill('mail pivot');
  await page.getByText(/^\d+ of 212 files$/).waitFor();                  // until it is found, the tree stands there
  await page.locator('.frow').filter({ hasText: 'pivot' }).first().locator('.tick').click();
  await page.getByRole('button', { name: 'Save as list' }).click();
  await soon.equal(() => page.getByRole('dialog').getByLabel('Name').inputValue(), 'smoke');
  await page.getByRole('button', { name: 'Save', exact: true }).click();
  await page.getByRole('button', { name: 'Replace it' }).click();
  await page.getByRole('dialog').getByText('is saved, with').waitFor();
  assert.ok(s.lists.all.get(l.id).files.length > 1);
  assert.equal(s.lists.all.get(l.id).version, 2);
});

test('entries that are folders, globs, or gone', { skip }, async (t) => {
  const s = await fresh(t), odd = [...s.lists.all.values()].find((x) => x.name.includes('odd')), page = await open(t, `/compose?list=${odd.id}`, { server: s });
  await seen(page, '1 entry of the list is not there any more, and left out: spec/gone_spec.rb');
  const n = s.work.trees.get(1).tests.filter((f) => f.startsWith('spec/mail/')).length + 1;
  await seen(page, `${n} tests`);
  await soon.equal(() => page.getByLabel('Variables of this launch').inputValue(), 'A=1');
  assert.equal(new URL(page.url()).search, '?project=docs');
});

test('a list runs with one press, is renamed, shared, deleted with its schedules said', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/lists', { server: s, quiet: false });
  await page.getByRole('button', { name: 'Run full docs' }).waitFor();
  const answer = s.hold();
  await page.getByRole('button', { name: 'Run full docs' }).click();
  await page.getByRole('button', { name: 'Starting…' }).waitFor();
  await page.evaluate(() => new Promise((drawn) => { requestAnimationFrame(() => setTimeout(drawn)); }));
  await focused(page.getByRole('button', { name: 'Starting…' }));      // busy, and still the place of the keyboard
  answer();
  await seen(page, '80 tests started.');
  await soon.equal(() => page.evaluate(() => document.activeElement.textContent), `Watch #${[...s.launches.keys()].at(-1)}`);
  await page.getByRole('button', { name: /^Run <b>odd/ }).click();
  await seen(page, 'is not runnable');
  const schedules = await heldBack(page, '**/api/v1/schedules?list=*');
  await page.getByRole('link', { name: 'full docs', exact: true }).click();
  await soon.ok(() => page.getByRole('button', { name: 'Delete' }).isDisabled(), 'not before it is known what starts it');
  schedules();
  await page.getByLabel('Name', { exact: true }).fill('all of docs');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('heading', { name: 'all of docs' }).waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await focused(page.getByRole('dialog').getByRole('button', { name: 'Keep it' }));
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Delete' }).click();
  await seen(page, '1 schedule starts it: nightly');
  await page.getByRole('button', { name: 'Delete it, and turn its schedules off' }).click();
  await page.waitForURL(`${s.url}/lists`);
  await seen(page, 'The list all of docs deleted');
  await page.waitForFunction(() => document.querySelectorAll('.entries li').length === 1);
  assert.equal(s.lists.all.size, 2, 'not yet');
  await page.locator('.toast').getByRole('button', { name: 'Undo' }).click();
  await page.waitForFunction(() => document.querySelectorAll('.entries li').length === 2);
  await page.getByRole('link', { name: 'all of docs', exact: true }).click();
  await page.getByText('nightly').waitFor();
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('button', { name: 'Delete it, and turn its schedules off' }).click();
  await page.locator('.toast').getByRole('button', { name: 'Close' }).click();
  await soon.equal(() => s.lists.all.size, 1);
  await page.goto(`${s.url}/lists/99`);
  await seen(page, 'Nothing at /lists/99');
});

test('a schedule: its next times while it is typed, faults at their fields', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/schedules?add=11', { server: s, quiet: false });
  await seen(page, 'Tue, 24 Nov 2026, 02:00 +01:00');
  await soon.equal(() => page.locator('.preview li').count(), 5);
  await page.getByRole('button', { name: 'Cron expression' }).click();
  await seen(page, 'They are known when the rule is complete.');
  await page.getByLabel('Expression').fill('1 2 3 4 5 6');
  await seen(page, 'has not five fields');
  await page.getByLabel('Expression').fill('30 2 * * mon');
  await page.locator('.preview li').first().waitFor();
  await page.getByLabel('Time zone').fill('Nowhere');
  await seen(page, "there is no time zone 'Nowhere'");
  await page.getByLabel('Time zone').fill('Europe/Berlin');
  await page.getByRole('button', { name: 'Once' }).click();
  await page.getByLabel('Date and time').fill('2025-01-01T10:00');
  await seen(page, 'this is in the past');
  await page.getByRole('button', { name: 'On days of the week' }).click();
  await page.getByRole('button', { name: 'Monday' }).click();
  await page.locator('.preview li').first().waitFor();
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'Add the schedule' }).click();
  await page.getByRole('heading', { name: 'full docs' }).waitFor();
  await seen(page, 'It has not been due yet.');
  const made = [...s.lists.schedules.values()].at(-1);
  assert.deepEqual([made.kind, made.days, made.at, made.zone], ['weekly', 'tue,wed,thu,fri', '02:00', 'Europe/Berlin']);
});

test('schedules: on and off, run now, the last failure, another tab was faster', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/schedules', { server: s, quiet: false }), nightly = [...s.lists.schedules.values()].find((x) => x.name === 'nightly');
  await seen(page, 'ref: there is no branch develop');
  await seen(page, 'Turned off by itself: the list is gone');
  const sw = page.getByRole('switch', { name: 'nightly is on' });
  await soon.equal(() => sw.getAttribute('aria-checked'), 'true');
  await sw.click();
  await page.waitForFunction(() => document.querySelector('[role=switch][aria-label^=nightly]')?.getAttribute('aria-checked') === 'false');
  assert.equal(nightly.enabled, false);
  await soon.ok(() => page.getByRole('button', { name: 'Run now: dead' }).isDisabled());
  await page.getByRole('button', { name: 'Run now: nightly' }).click();
  await page.getByRole('link', { name: /^Watch #/ }).waitFor();
  await page.getByRole('link', { name: 'nightly', exact: true }).click();
  await seen(page, '5m 00s late');
  nightly.version++;
  await page.getByLabel('Time of the day').fill('03:15');
  await page.getByRole('button', { name: 'Save' }).click();
  await seen(page, 'what is typed here was not saved');
  assert.equal(nightly.at, '02:00');
  await page.getByRole('button', { name: 'Show it as it is now' }).click();
  await page.waitForFunction(() => document.querySelector('input[type=time]')?.value === '02:00');
  await page.getByLabel('Time of the day').fill('03:15');
  await page.getByRole('button', { name: 'Save' }).click();
  await seen(page, 'every day at 03:15');
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(`${s.url}/schedules`);
  await page.locator('.toast').getByRole('button', { name: 'Close' }).click();
  await soon.equal(() => s.lists.schedules.size, 1);
});

test('nothing there, and what fails', { skip }, async (t) => {
  const s = await fresh(t, { empty: true }), page = await open(t, '/lists', { server: s, quiet: false });
  await seen(page, 'No lists yet');
  await page.goto(`${s.url}/schedules`);
  await seen(page, 'No schedules yet');
  await page.getByRole('link', { name: 'Add a schedule' }).click();
  await seen(page, 'A schedule runs a saved list');
  s.faults.status.set('/lists', 500); s.faults.status.set('/schedules', 500);
  await page.goto(`${s.url}/lists`);
  await seen(page, 'The lists could not be loaded');
  await page.goto(`${s.url}/schedules`);
  await seen(page, 'The schedules could not be loaded');
  s.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await seen(page, 'No schedules yet');
});
