// Compose in Chromium against the stand-in: tick, choose, press Run; what the server refuses stands at its control.
import assert from 'node:assert/strict';
import test from 'node:test';
import { check, focused, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';
import { HOSTILE } from './fake_work.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const writes = (s) => s.seen.filter((x) => /^(POST|DELETE)/.test(x));
const newest = (s) => [...s.launches.values()].at(-1);
const testsOf = (s, l) => [...s.tests.values()].filter((x) => x.launch === l.id);
/** A row of the tree by its whole path, which stands in the title of its name. */
const row = (page, p) => page.locator('.frow', { has: page.locator(`.name[title="${p}"]`) });

test('a folder, two languages, Run: one press is one launch, in the order of the tree', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose', { server: s });
  await row(page, 'spec/').click();
  await row(page, 'spec/mail/').locator('.tick').click();
  await page.getByLabel('Languages').selectOption('de-DE');
  await page.getByLabel('Languages').selectOption('en-US');
  await page.getByRole('button', { name: /Move en-US, number 2, forward/ }).click();
  const files = s.work.trees.get(1).tests.filter((f) => f.startsWith('spec/mail/'));
  await seen(page, `${files.length} files × 2 languages = ${files.length * 2} tests`);
  assert.equal(new URL(page.url()).searchParams.getAll('lang').join(), 'en-US,de-DE');
  assert.deepEqual(writes(s), [], 'nothing starts before Run');
  await page.getByRole('button', { name: `Run ${files.length * 2} tests` }).click();
  await seen(page, 'at the end of your queue');
  assert.deepEqual(writes(s), ['POST /api/v1/launches']);
  const l = newest(s);
  assert.deepEqual(testsOf(s, l).map((x) => `${x.path} ${x.language}`), files.flatMap((f) => [`${f} en-US`, `${f} de-DE`]));
  await focused(page.getByRole('link', { name: 'Watch it' }));         // Enter now watches, it does not start another
  await page.keyboard.press('Enter');
  await page.waitForURL(`${s.url}/launches/${l.id}`);
  await page.goBack();
  await seen(page, `${files.length} files × 2 languages`);
});

test('the same by keyboard alone, with Shift at the front; Enter in the search starts nothing', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose', { server: s });
  await row(page, 'spec/').waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('PIVOT mail');
  const hits = s.work.trees.get(1).tests.filter((f) => f.includes('pivot') && f.includes('mail'));
  await seen(page, `${hits.length} of 212 files`);
  await page.keyboard.press('Enter');
  await focused(page.locator('.filetree'));
  assert.deepEqual(writes(s), []);
  await page.keyboard.press('Home');
  await page.keyboard.press(' ');
  await seen(page, `${hits.length} tests`);
  await page.keyboard.press('ArrowLeft');
  await soon.equal(() => page.locator('.frow').count(), 1, 'closed');
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('a');
  await soon.match(() => page.evaluate(() => document.activeElement.textContent), /^Run \d+ tests$/);
  await page.keyboard.press('Shift+Enter');
  await seen(page, 'at the front of your queue');
  assert.deepEqual(writes(s), ['POST /api/v1/launches']);
  assert.deepEqual(testsOf(s, newest(s)).map((x) => x.path), hits);
});

test('search by glob is the server\'s; what it refuses stands at the box; ticks survive', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose?q=smoke/*.sh', { server: s, quiet: false });
  await seen(page, '1 of 212 files');
  await row(page, 'smoke/').locator('.tick').click();
  await page.getByLabel('Search files').fill('spec/**/slides_*[0');
  await seen(page, 'a [ without its ]');
  await page.getByLabel('Search files').fill('nothing at all');
  await seen(page, '0 of 212 files');
  await page.getByRole('button', { name: 'Clear the search' }).click();
  await seen(page, '1 test');
  await page.getByRole('button', { name: /^Ticked/ }).click();
  await page.locator('.frow').nth(1).waitFor();
  await soon.deepEqual(() => page.locator('.frow .name').allInnerTexts(), ['smoke/', 'boot.sh']);
  await page.getByRole('button', { name: 'All files' }).click();
  await page.getByRole('button', { name: /^Ticked/ }).click();
  await row(page, 'README.md').waitFor();
});

test('an address of one\'s own: checked here, kept by the server, offered again', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose?q=smoke', { server: s });
  await row(page, 'smoke/').locator('.tick').click();
  await page.getByLabel('Server under test', { exact: true }).selectOption({ label: 'Another address…' });
  const field = page.getByLabel('Address of the server under test');
  await field.fill('qa.example.org');
  await page.getByRole('button', { name: 'Run 1 test' }).click();
  await seen(page, 'is no address that begins with http');
  assert.deepEqual(writes(s), []);
  await field.fill('https://qa.example.org/x');
  await page.getByRole('button', { name: 'Run 1 test' }).click();
  await seen(page, 'at the end of your queue');
  assert.equal(newest(s).location, 'https://qa.example.org/x');
  await page.goto(`${s.url}/compose`);
  await page.getByLabel('Server under test', { exact: true }).locator('optgroup option').waitFor({ state: 'attached' });
  await soon.equal(() => page.getByLabel('Address of the server under test').inputValue(), 'https://qa.example.org/x', 'as it was left');
});

test('faults of the server stand at their controls', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose', { server: s, quiet: false });
  await page.getByRole('button', { name: 'Run', exact: true }).click();
  await seen(page, 'Tick at least one file.');
  await row(page, 'smoke/').locator('.tick').click();
  const env = page.getByLabel('Variables of this launch');
  await env.fill('A=1\nnothing');
  await page.getByRole('button', { name: 'Run 1 test' }).click();
  await seen(page, '“nothing” is not NAME=value.');
  await env.fill('A=1\nWRATA_RUN_ID=7');
  await page.getByRole('button', { name: 'Run 1 test' }).click();
  await seen(page, 'WRATA_RUN_ID is set by wrata itself');
  await soon.equal(() => env.getAttribute('aria-invalid'), 'true');
  await soon.equal(() => page.evaluate(() => document.activeElement.tagName), 'TEXTAREA');
  await soon.deepEqual(() => check(page), []);
  await env.fill('');
  s.faults.status.set('/launches', 503);
  await page.getByRole('button', { name: 'Run 1 test' }).click();
  await seen(page, 'Nothing was started. the disk is full');
  s.faults.status.clear();
  s.faults.down = true;
  await page.getByRole('button', { name: 'Run 1 test' }).click();
  await seen(page, 'The server cannot be reached.');
  s.faults.down = false;
  await page.getByRole('button', { name: 'Run 1 test' }).click();
  await seen(page, 'at the end of your queue');
});

test('branches: age, refresh and its error, one that is gone, ticked files that a branch lacks', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose', { server: s, quiet: false });
  await seen(page, 'as of 3 min ago');
  await row(page, 'spec/').locator('.tick').click();
  s.work.faults.refresh = 'could not resolve host git.example.org';
  await page.getByRole('button', { name: 'Refresh' }).click();
  await seen(page, 'could not resolve host git.example.org');
  await row(page, 'spec/').waitFor();
  s.work.faults.refresh = null;
  await page.getByRole('button', { name: 'Refresh' }).click();
  await page.getByText(/^as of (just now|\d+ s ago)$/).waitFor();
  await page.getByLabel('Branch', { exact: true }).selectOption('v9.0');
  await seen(page, '172 ticked files are not among the tests of this branch');
  await seen(page, '40 files');
  await page.getByRole('button', { name: 'Untick them' }).click();
  await page.getByText('172 ticked files').waitFor({ state: 'detached' });
  await page.goto(`${s.url}/compose?ref=develp`);
  await seen(page, 'Nothing at develp');
  await page.getByRole('button', { name: 'Use the default branch' }).click();
  await row(page, 'spec/').waitFor();
  await page.goto(`${s.url}/compose?project=nowhere`);
  await seen(page, 'There is no project “nowhere”');
});

test('more than 2,000 tests are asked about once; a double press starts one launch', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/compose?lang=en-US&lang=de-DE&lang=fr-FR&browser=chrome&browser=firefox&browser=default&browser=nosuch', { server: s });
  await row(page, 'spec/').locator('.tick').click();
  await row(page, 'smoke/').locator('.tick').click();
  await seen(page, '212 files × 3 languages × 3 browsers = 1,908 tests');
  const answer = s.hold();
  await page.getByRole('button', { name: 'Run 1,908 tests' }).dblclick();
  answer();
  await seen(page, 'at the end of your queue');
  assert.equal(writes(s).length, 1);
  await page.getByLabel('Languages').selectOption('ja-JP');
  await page.getByRole('button', { name: 'Run 2,544 tests' }).click();
  await page.getByRole('dialog', { name: 'Start 2,544 tests?' }).waitFor();
  await soon.deepEqual(() => check(page), []);
  await page.keyboard.press('Enter');
  await page.getByRole('dialog').waitFor({ state: 'hidden' });
  assert.equal(writes(s).length, 1, 'the safe button has the focus');
  await page.getByRole('button', { name: 'Run 2,544 tests' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Run 2,544 tests' }).click();
  await seen(page, 'at the end of your queue');
  assert.equal(writes(s).length, 2);
  assert.equal(testsOf(s, newest(s)).length, 2544);
});

test('10,000 files: opened, ticked and swept in an instant, few elements', { skip }, async (t) => {
  const s = await fresh(t, { files: 10_000 }), page = await open(t, '/compose', { server: s });
  await row(page, 'spec/').waitFor();
  await page.locator('.filetree').focus();
  await page.keyboard.press('End');
  const time = await page.evaluate(async () => {
    const tree = document.querySelector('.filetree'), frame = () => new Promise((r) => requestAnimationFrame(() => setTimeout(r)));
    const press = async (key) => { const t = performance.now(); tree.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true })); await frame(); return performance.now() - t; };
    const open = await press('ArrowRight');
    await press('ArrowRight');
    const all = await press('*');
    await press('ArrowLeft');
    await press('ArrowLeft');
    const ticked = await press(' ');
    let blank = 0;
    for (let i = 0; i <= 60; i++) { tree.scrollTop = (tree.scrollHeight * i) / 60; await frame(); if (!tree.querySelector('.frow')) blank++; }
    return { open, all, ticked, blank, rows: tree.querySelectorAll('.frow').length };
  });
  await seen(page, '9,999 tests');
  assert.equal(time.blank, 0);
  assert.ok(time.rows < 80, `${time.rows} rows`);
  t.diagnostic(JSON.stringify(time));
});

test('nothing there: no project, no tests, what fails and what may not be done', { skip }, async (t) => {
  const none = await fresh(t, { empty: true }), page = await open(t, '/compose', { server: none, quiet: false });
  await seen(page, 'No projects yet');
  await soon.deepEqual(() => check(page), []);
  await page.getByLabel('Repository').fill('nonsense');
  await page.getByRole('button', { name: 'Add the project' }).click();
  await seen(page, 'is no git url');
  await page.getByLabel('Repository').fill('https://git.example.org/qa/office.git');
  await page.getByRole('button', { name: 'Add the project' }).click();
  await row(page, 'spec/').waitFor();
  await seen(page, 'No server is online yet');
  none.work.trees.set(1, { tests: [], all: ['README.md'] });
  await page.reload();
  await seen(page, 'No tests here');
  await page.getByRole('button', { name: 'Show all files' }).click();
  await row(page, 'README.md').waitFor();
  none.faults.status.set('/projects', 500);
  await page.reload();
  await seen(page, 'The projects could not be loaded');
  none.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await row(page, 'README.md').waitFor();
  none.faults.status.set('/languages', 500);
  await page.reload();
  await seen(page, 'Locations, browsers and languages could not be loaded');
  await row(page, 'README.md').waitFor();
  none.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByLabel('Languages').waitFor();
  const who = await fresh(t, { empty: true, accounts: {} }), mira = await open(t, '/compose', { server: who, as: 'mira' });
  await seen(mira, 'An admin can add one.');
  const jo = await open(t, '/compose', { server: who, as: 'jo' });
  await seen(jo, 'Waiting to be verified');
});

test('names are text, secrets of the account are named and not shown', { skip }, async (t) => {
  const s = await fresh(t, { accounts: {} }), page = await open(t, `/compose?path=${encodeURIComponent(HOSTILE)}`, { server: s, as: 'admin' });
  await page.getByText('<img src=x onerror=alert(1)>/').first().waitFor();
  await page.locator('.frow', { hasText: '\\u202egnp_spec.rb' }).click();
  await seen(page, '1 test');
  await page.getByLabel('Branch', { exact: true }).selectOption('<script>alert(3)</script>');
  await page.getByLabel('Server under test', { exact: true }).selectOption('<b>staging</b>');
  await page.locator('.params .hint').getByText('API_TOKEN').waitFor();
  await soon.match(() => page.locator('.params .hint').innerText(), /SPEC_REGION, API_TOKEN \(secret\)/);
  await page.getByLabel('Variables of this launch').fill('SPEC_REGION=us');
  await seen(page, '(replaced here)');
  await soon.equal(() => page.locator('main img, main script').count(), 0);
});

test('quick filters: flaky, slow, failed last run; together they are more; what is ticked stays', { skip }, async (t) => {
  const s = await fresh(t), tree = s.work.trees.get(1).tests, failed = [...s.runs.values()].find((r) => s.launches.get(r.launch).state === 'done' && r.outcome !== 'passed' && r.launch === Math.max(...[...s.launches.values()].filter((l) => l.state === 'done').map((l) => l.id)));
  failed.path = tree[100];
  const page = await open(t, '/compose', { server: s, quiet: false }), group = page.getByRole('group', { name: 'Files that were' }), button = (name) => group.getByRole('button', { name });
  await row(page, 'spec/').waitFor();
  await soon.match(() => page.locator('.files [role=status]').innerText(), new RegExp(`^${tree.length} files`));
  await button('Slow').click();
  await soon.equal(() => button('Slow').getAttribute('aria-pressed'), 'true');
  await soon.match(() => page.locator('.files [role=status]').innerText(), /^50 of/);
  await page.waitForURL(/quick=slow/);
  await soon.match(() => row(page, tree[0]).innerText(), /10m 00s/);
  await soon.deepEqual(() => check(page), []);
  await row(page, tree[0]).locator('.tick').click();
  await button('Failed last run').click();
  await soon.match(() => page.locator('.files [role=status]').innerText(), /^51 of/);
  await button('Slow').click();
  await soon.match(() => page.locator('.files [role=status]').innerText(), /^1 of/);
  await row(page, tree[100]).waitFor();
  await soon.match(() => page.getByRole('button', { name: /^Run 1 test/ }).innerText(), /Run 1 test/);
  await button('Failed last run').click();
  await button('Flaky').click();
  await soon.match(() => page.locator('.files [role=status]').innerText(), new RegExp(`^${Math.ceil(tree.length / 5)} of`));
  await soon.match(() => row(page, tree[0]).innerText(), /flaky/);
  await page.reload();
  await soon.match(() => page.locator('.files [role=status]').innerText(), new RegExp(`^${Math.ceil(tree.length / 5)} of`));
  s.faults.status.set('/stability', 500);
  await page.reload();
  await seen(page, 'How files did could not be read');
  s.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await soon.match(() => page.locator('.files [role=status]').innerText(), new RegExp(`^${Math.ceil(tree.length / 5)} of`));
  assert.deepEqual(writes(s), []);
});
