// Tables of admins, the palette, a file over time, and lines of the acceptance list that belong to no screen.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { check, heldBack, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const row = (page, name) => page.locator('.entries li', { has: page.getByText(name, { exact: true }) });

test('each table: shown, a row added, changed, deleted and taken back; what the server refuses is said', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/admin/projects', { server: s, quiet: false });
  for (const [name, there] of [['projects', 'docs'], ['locations', '<b>staging</b>'], ['browsers', 'firefox'], ['languages', 'ja-JP'], ['fleets', 'cloud'], ['hooks', 'chat'], ['mails', 'mira@example.org'], ['jobs', 'No jobs yet']]) {
    await page.goto(`${s.url}/admin/${name}`);
    await page.getByText(there, { exact: true }).first().waitFor();
    await soon.deepEqual(() => check(page), [], name);
  }
  await soon.equal(() => page.locator('main b b, main script').count(), 0);
  await page.getByRole('link', { name: 'Locations' }).click();
  await page.getByRole('button', { name: 'Add a location' }).click();
  const dialog = page.getByRole('dialog', { name: 'Add a location' });
  await dialog.getByLabel('Name').fill('com eu');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.locator('.field .wrong').getByText('there is com eu already').waitFor();
  await soon.deepEqual(() => check(page), []);
  await dialog.getByLabel('Name').fill('com jp');
  await dialog.getByLabel('Place in the list').fill('2');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await row(page, 'com jp').waitFor();
  assert.equal(s.work.locations.at(-1).position, 2);
  await page.getByRole('button', { name: 'Make it the preset: com jp' }).click();
  await row(page, 'com jp').getByText('preset', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Archive: com us' }).click();
  await row(page, 'com us').getByText('archived').waitFor();
  await page.getByRole('button', { name: 'Change info' }).click();
  await page.getByRole('dialog').getByLabel('Address', { exact: true }).fill('https://info.example.org');
  await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click();
  await seen(page, 'https://info.example.org');
  await page.getByRole('link', { name: 'Projects', exact: true }).click();
  await page.getByRole('button', { name: 'Delete tools' }).click();
  await seen(page, 'tools deleted');
  await row(page, 'tools').waitFor({ state: 'detached' });
  await page.locator('.toast').getByRole('button', { name: 'Undo' }).click();
  await row(page, 'tools').waitFor();
  await page.getByRole('button', { name: 'Delete docs' }).click();
  await page.locator('.toast').getByRole('button', { name: 'Close' }).click();
  await seen(page, 'docs could not be deleted: a launch of docs is not done');
  await row(page, 'docs').waitFor();
  await page.getByRole('link', { name: 'Hooks' }).click();
  await page.getByRole('button', { name: 'Add a hook' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('ci');
  await page.getByRole('dialog').getByLabel('Address').fill('https://ci.example.org/');
  await page.getByRole('dialog').getByLabel('What it is told').fill('launch_ended, error');
  await page.getByRole('dialog').getByRole('button', { name: 'Add', exact: true }).click();
  await seen(page, 'whsec_once');
  assert.deepEqual(s.tables.hooks.at(-1).kinds, ['launch_ended', 'error']);
  await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
  await page.getByRole('link', { name: 'Mail' }).click();
  await page.getByRole('button', { name: 'Send a test mail' }).click();
  await row(page, 'admin@example.org').waitFor();
});

test('what is kept: ages, sizes, what would go, asked once more, given back', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/admin/retention', { server: s, quiet: false });
  await row(page, 'Logs').getByText(/4,000 logs · 73 MB · the oldest 88 days ago · goes in 2 days/).waitFor();
  await row(page, 'History').getByText('for ever').waitFor();
  await page.getByRole('button', { name: 'What would go now?' }).click();
  await seen(page, 'Logs: 120 logs · 3.1 MB');
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'Delete it now…' }).click();
  const dialog = page.getByRole('dialog', { name: 'Delete what is too old or too much?' });
  await dialog.getByText('Of everybody, and for good: logs (120 logs · 3.1 MB).').waitFor();
  await soon.ok(() => dialog.getByRole('button', { name: 'Cancel' }).evaluate((el) => el === document.activeElement), 'the safe one');
  await page.keyboard.press('Enter');
  assert.equal(s.tables.kept.kinds[0].items, 4000);
  await page.getByRole('button', { name: 'Delete it now…' }).click();
  await dialog.getByRole('button', { name: 'Delete' }).click();
  await seen(page, '3.1 MB are given back so far.');
  await row(page, 'Logs').getByText(/3,880 logs/).waitFor();
  await page.getByRole('button', { name: 'What would go now?' }).click();
  await seen(page, 'Nothing is too old or too much.');
  s.tables.kept.disk = { ...s.tables.kept.disk, low: true, why: '<i>2 % are free' };
  await page.getByRole('button', { name: 'Look again' }).click();
  await seen(page, 'The disk is nearly full: <i>2 % are free');
  s.tables.kept.disk = { ...s.tables.kept.disk, low: false, full: true, why: 'the disk of the server is full: nothing begins' };
  await page.getByRole('button', { name: 'Look again' }).click();
  await seen(page, /^the disk of the server is full: nothing begins/);
  s.faults.status.set('/retention', 500);
  await page.getByRole('button', { name: 'Look again' }).click();
  await seen(page, 'the disk is full');
  await page.reload();
  await seen(page, 'What is kept could not be loaded');
  s.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await row(page, 'Logs').waitFor();
});

test('cost: by day, launch, server; a time in the address; nothing, an error', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/admin/cost', { server: s, quiet: false }), by = page.getByLabel('By');
  await soon.equal(() => page.locator('.plaintable tbody tr').count(), 3);
  await soon.match(() => page.locator('.kpirow').innerText(), /\$3\.2000[^]*today[^]*\$0\.1070[^]*an hour now, 4 machines[^]*32 %[^]*for no run, \$0\.7000 a day/);
  await soon.deepEqual(() => check(page), []);
  await by.selectOption('launch');
  await page.getByRole('link', { name: 'nightly <b>' }).waitFor();
  await soon.equal(() => page.getByRole('link', { name: 'nightly <b>' }).getAttribute('href'), '/launches/12');
  await soon.equal(() => page.locator('main b').count(), 0);
  await by.selectOption('server');
  await page.getByRole('row', { name: /qa-02 cloud \$0\.004200 \$0\.001000/ }).waitFor();
  await page.getByLabel('From').fill('2026-01-01');
  await page.waitForURL(/by=server&from=2026-01-01/);
  await page.reload();
  await soon.equal(() => page.getByLabel('From').inputValue(), '2026-01-01');
  await by.selectOption('schedule');
  await seen(page, 'Nothing cost anything');
  await soon.deepEqual(() => check(page), []);
  s.faults.status.set('/cost', 500);
  await page.reload();
  await seen(page, 'The costs could not be loaded');
});

test('a hook: a test, what was sent and answered, sent again, a new secret', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/admin/hooks', { server: s, quiet: false });
  await page.getByRole('link', { name: 'chat' }).click();
  await page.waitForURL(/hooks\/1$/);
  const sent = page.locator('.entries > li');
  await soon.equal(() => sent.count(), 3);
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'failed' }).click();
  await page.waitForURL(/state=failed/);
  await soon.equal(() => sent.count(), 1);
  await seen(page, 'answered 500 <script>');
  await page.getByRole('button', { name: 'More: delivery 2' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('region', { name: 'Sent, delivery 2' }).getByText('"kind":"launch_ended"').waitFor();
  await page.getByRole('region', { name: 'Answered, delivery 2' }).getByText('boom').waitFor();
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'Send again: delivery 2' }).click();
  await sent.getByText('waiting').waitFor();
  assert.equal(s.tables.deliveries.find((d) => d.id === 2).state, 'waiting');
  await page.getByRole('button', { name: 'all' }).click();
  await page.getByRole('button', { name: 'Test', exact: true }).click();
  await seen(page, 'The test: delivered, answered 200 after 41 ms');
  await soon.equal(() => sent.count(), 4);
  await page.getByRole('button', { name: 'New secret…' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Make it' }).click();
  await seen(page, 'whsec_new');
  await page.reload();
  await soon.equal(() => sent.count(), 4);
  assert.equal(await page.getByText('whsec_new').count(), 0);
  await page.getByRole('button', { name: 'Switch it off' }).click();
  await page.getByRole('button', { name: 'Switch it on' }).waitFor();
  await soon.equal(() => page.getByRole('button', { name: 'Test', exact: true }).count(), 0);
  await page.goto(`${s.url}/admin/hooks/99`);
  await seen(page, 'Nothing at /admin/hooks/99');
});

test('who is no admin has hooks, the cost of the own launches, and sees what is kept', { skip }, async (t) => {
  const s = await fresh(t, { accounts: {} }), page = await open(t, '/', { server: s, as: 'mira', quiet: false });
  await page.getByRole('button', { name: /^Account/ }).click();
  await page.getByRole('link', { name: 'Hooks, cost, what is kept' }).click();
  await page.getByRole('link', { name: 'chat' }).waitFor();
  await soon.deepEqual(() => page.getByRole('navigation', { name: 'Tables' }).getByRole('link').allInnerTexts(), ['Hooks', 'Cost', 'What is kept']);
  await page.getByRole('link', { name: 'Cost', exact: true }).click();
  await seen(page, 'What your own launches cost.');
  await soon.deepEqual(() => page.getByLabel('By').locator('option').allInnerTexts(), ['Day', 'Launch', 'Schedule']);
  await page.getByRole('link', { name: 'What is kept', exact: true }).click();
  await row(page, 'Logs').waitFor();
  await soon.equal(() => page.getByRole('button', { name: 'What would go now?' }).count(), 0);
  await soon.deepEqual(() => check(page), []);
});

test('who is no admin sees no table; the palette leads to pages, files and servers', { skip }, async (t) => {
  const s = await fresh(t, { accounts: {} }), page = await open(t, '/admin/locations', { server: s, as: 'mira', quiet: false });
  await seen(page, 'You may not see this');
  await page.goto(`${s.url}/`);
  await seen(page, 'regression');
  await page.keyboard.press('Control+k');
  const box = page.getByRole('combobox', { name: 'Page, launch, file, list or server' });
  await box.waitFor();
  await soon.deepEqual(() => check(page), []);
  await box.fill('schd');
  await page.waitForFunction(() => document.querySelector('.palette [aria-selected=true]')?.textContent.includes('Schedules'));
  await page.keyboard.press('Enter');
  await page.waitForURL(`${s.url}/schedules`);
  await page.keyboard.press('Control+k');
  await box.fill('qa-07');
  await page.getByRole('option', { name: /^qa-07\s*server$/ }).waitFor();
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/servers\/\d+$/);
  await page.keyboard.press('Control+k');
  await box.fill('nothing has this name');
  await seen(page, 'Nothing is called so.');
  await page.keyboard.press('Escape');
  await box.waitFor({ state: 'detached' });
});

test('a file over time: durations, pass rate, and flaky only by its rule', { skip }, async (t) => {
  const s = await fresh(t), r = [...s.runs.values()].find((x) => x.outcome === 'failed'), mine = () => [...s.runs.values()].filter((x) => x.path === r.path && x.outcome);
  const page = await open(t, `/files?project=1&path=${encodeURIComponent(r.path)}`, { server: s });
  await page.locator('.trend').waitFor();
  await soon.equal(() => page.locator('.trend path[class^=t-]').count(), mine().length);
  await soon.deepEqual(() => check(page), []);
  await seen(page, 'Flaky: it failed and passed on');
  for (const x of mine()) x.commit = `${x.id}${'0'.repeat(36)}`;
  await page.reload();
  await page.locator('.trend').waitFor();
  await soon.equal(() => page.getByText('Flaky:').count(), 0, 'never both on one commit');
  await page.getByText('As a table').click();
  await soon.equal(() => page.locator('.plaintable tbody tr').count(), mine().length);
  await page.goto(`${s.url}/files?path=none.rb`);
  await seen(page, 'It has not run in this time');
});

test('which file: the slowest, those with all words, and nothing that fits', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/files', { server: s, quiet: false }), tree = s.work.trees.get(1).tests, links = page.locator('ul.rows a');
  await soon.equal(() => links.first().innerText(), tree[0]);
  await seen(page, '10m 00s');
  await soon.deepEqual(() => check(page), []);
  const box = page.getByLabel('Search files');
  await box.fill('pivot_table mail');
  const hits = tree.filter((f) => f.includes('pivot_table') && f.includes('mail'));
  await soon.equal(() => links.count(), hits.length);
  await page.waitForURL(/q=pivot_table/);
  await box.fill('no such file');
  await seen(page, 'No file has all of that');
  await page.goBack();
  await page.goto(`${s.url}/files?q=${encodeURIComponent(tree[3])}`);
  await links.first().click();
  await page.waitForURL(/path=/);
  await seen(page, 'It has not run in this time');
  s.faults.status.set('/slowest', 500);
  await page.goto(`${s.url}/files`);
  await page.getByRole('alert').waitFor();
  s.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await links.first().waitFor();
});

test('a key that is pressed while a screen is coming waits for it', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/', { server: s }), l = [...s.launches.values()].at(-1);
  await seen(page, 'regression');
  await page.clock.setFixedTime(Date.now());                           // a key is kept for some seconds only, and this computer may be slow
  const there = s.hold();
  await page.locator(`a.launch[href="/launches/${l.id}"]`).click();
  await page.keyboard.press('n');
  there();
  await page.locator('.failure[data-current]').waitFor();
  await page.goto(`${s.url}/`);
  await seen(page, 'regression');
  const compose = s.hold();
  await page.getByRole('navigation').getByRole('link', { name: 'Compose' }).click();
  await page.locator('.skeleton').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('test');                                    // t alone is another theme, s another screen's
  compose();
  await soon.equal(() => page.getByLabel('Search files').inputValue(), 'test', 'what follows the / is text');
  await soon.equal(() => page.evaluate(() => document.documentElement.dataset.theme), undefined);
});

test('what is typed after Ctrl+K is for the palette, however late it comes', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/', { server: s });
  const come = await heldBack(page, /rest\.\w+\.js$/);
  await page.reload();
  await page.locator('.tile').first().waitFor();
  await page.clock.setFixedTime(Date.now());
  await page.keyboard.press('Control+k');
  await page.keyboard.type('g board');
  come();
  await soon.equal(() => page.getByRole('combobox', { name: 'Page, launch' }).inputValue(), 'g board');
  assert.equal(new URL(page.url()).pathname, '/');
});

test('nothing in the built files makes code or markup of text', { skip }, () => {
  for (const f of fs.readdirSync(new URL('../dist/assets/', import.meta.url)).filter((x) => x.endsWith('.js'))) {
    const text = fs.readFileSync(new URL(`../dist/assets/${f}`, import.meta.url), 'utf8');
    for (const sign of [/\beval\(/, /new Function\b/, /\.outerHTML\b/, /insertAdjacentHTML/, /document\.write/]) assert.doesNotMatch(text, sign, `${f} ${sign}`);
    // Preact itself has the word for a property that the page never uses.
    assert.ok((text.match(/innerHTML/g) ?? []).length <= 3 && !/dangerouslySetInnerHTML:/.test(text), f);
  }
});
