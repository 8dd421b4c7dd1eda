// The history in Chromium: found by a filter in the address, read to its end, run again, deleted and taken back, cleared, exported.
import assert from 'node:assert/strict';
import test from 'node:test';
import { check, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const files = (page) => page.locator('.hrow .file a').evaluateAll((all) => all.map((a) => a.title));
const newest = (s, fits = () => true) => [...s.runs.values()].map(s.past.whole).filter(fits).sort((a, b) => b.id - a.id);
const total = async (page, n) => page.waitForFunction((want) => document.querySelectorAll('.hrow:not(.tail)').length === want, n);
const changes = (s) => s.seen.filter((x) => !x.startsWith('GET')).length;

test('the filter finds what the fixture has, is in the address, and changes nothing', { skip }, async (t) => {
  const s = await fresh(t);
  s.tests.get(newest(s)[3].test).language = 'de-DE'; s.tests.get(newest(s)[7].test).language = 'de-DE';
  const page = await open(t, '/runs', { server: s });
  await page.locator('.hrow').first().waitFor();
  await soon.deepEqual(async () => (await files(page)).slice(0, 5), newest(s).slice(0, 5).map((r) => r.path));
  await page.keyboard.press('/');
  await page.keyboard.type('spec -mail state:failed,infra');
  const want = newest(s, (r) => r.path.includes('spec') && !r.path.includes('mail') && ['failed', 'infrastructure'].includes(r.outcome));
  assert.ok(want.length > 2 && want.length < 30);
  await total(page, want.length);
  await soon.deepEqual(() => files(page), want.map((r) => r.path));
  await page.keyboard.press('Enter');
  await soon.equal(() => page.evaluate(() => document.activeElement.getAttribute('role')), 'grid');
  const again = await open(t, new URL(page.url()).pathname + new URL(page.url()).search, { server: s });
  await total(again, want.length);
  await soon.equal(() => again.getByRole('searchbox').inputValue(), 'spec -mail state:failed,infra');
  const box = page.getByRole('searchbox');
  await box.fill('lang:de-DE');
  await total(page, 2);
  await box.fill('owner:me project:docs ref:main');
  await total(page, newest(s, (r) => r.ref === 'main').length);
  await box.fill('slow:>65s');
  await total(page, newest(s, (r) => r.duration_ms > 65_000).length);
  await box.fill('foo:bar');
  await seen(page, 'Unknown filter');
  await box.fill('project:nowhere');
  await seen(page, 'There is no project nowhere.');
  await box.fill('state:passed,running');
  await seen(page, 'takes outcomes or one state');
  await box.fill('nothinglikethis');
  await seen(page, 'No run fits');
  await page.getByRole('button', { name: 'nothinglikethis' }).click();
  await page.locator('.hrow').first().waitFor();
  assert.equal(changes(s), 0);
});

test('read to the end by keyset, by keys; a row leads to its run and back', { skip }, async (t) => {
  const s = await fresh(t), all = newest(s).length, page = await open(t, '/runs', { server: s });
  for (let i = 0; i < 150; i++) { const r = { ...newest(s)[0], id: 9000 + i, path: `spec/extra/x_${String(i).padStart(3, '0')}_spec.rb` }; s.runs.set(r.id, { ...r, seq: 0 }); s.logs.set(r.id, s.logs.get(newest(s).at(-1).id)); }
  await page.reload();
  const list = page.locator('.rowlist');
  await list.focus();
  await soon.equal(async () => { await page.keyboard.press('End'); return page.locator('.hrow[data-here]').evaluateAll((a) => a[0]?.ariaRowIndex); }, String(all + 150));
  await soon.ok(async () => await page.locator('.hrow').count() < 60);
  await soon.equal(async () => (await files(page)).at(-1), newest(s).at(-1).path);
  const asked = s.seen.filter((x) => x.startsWith('GET /api/v1/runs?')).map((x) => new URLSearchParams(x.split('?')[1]).get('cursor')).filter(Boolean);
  assert.equal(new Set(asked).size, asked.length, 'no page twice');
  await page.keyboard.press('Home');
  await page.keyboard.press('j');
  await page.keyboard.press('j');
  await page.keyboard.press('Enter');
  await page.waitForURL(/\/runs\/9147$/);
  await page.goBack();
  await page.locator('.hrow').first().waitFor();
});

test('picked runs are run again, deleted, taken back; what leaves the page is told', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/runs', { server: s, quiet: false }), had = newest(s);
  await page.locator('.hrow').first().waitFor();
  for (const k of ['j', 'x', 'j', 'j', 'X']) await page.keyboard.press(k);
  await seen(page, '3 picked');
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'Run again 3' }).click();
  const link = page.getByRole('link', { name: /^Watch #/ });
  await link.waitFor();
  assert.deepEqual([...s.launches.values()].at(-1).again, had.slice(1, 4).map((r) => r.path));
  await page.locator('.pickme').nth(0).click();
  await page.locator('.pickme').nth(1).click();
  await page.getByRole('button', { name: 'Delete 2' }).click();
  await seen(page, '2 runs deleted');
  await page.waitForFunction((p) => document.querySelector('.hrow .file a')?.title === p, had[2].path);
  assert.equal(s.runs.size, had.length, 'not yet');
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.waitForFunction((p) => document.querySelector('.hrow .file a')?.title === p, had[0].path);
  await page.locator('.pickme').nth(0).click();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Delete 1' }).click();
  await seen(page, '1 run deleted');
  await page.goto(`${s.url}/runs`);                                    // leaving sends it
  await soon.equal(() => s.runs.has(had[0].id), false);
  await page.reload();
  await page.waitForFunction((p) => document.querySelector('.hrow .file a')?.title === p, had[1].path);
  s.faults.status.set('/runs/delete', 500);
  await page.locator('.pickme').nth(0).click();
  await page.getByRole('button', { name: 'Delete 1' }).click();
  await page.locator('.toast').getByRole('button', { name: 'Close' }).click();
  await seen(page, '1 run could not be deleted: the disk is full');
  await page.waitForFunction((p) => document.querySelector('.hrow .file a')?.title === p, had[1].path);
});

test('clearing says what it is about, wants to be meant, and shows how far it is', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/runs?q=mail', { server: s }), mail = newest(s, (r) => r.path.includes('mail')).length, all = s.runs.size;
  await page.locator('.hrow').first().waitFor();
  await page.getByRole('button', { name: 'Export' }).click();
  await soon.deepEqual(() => check(page), []);
  await soon.match(() => page.getByRole('link', { name: 'JUnit XML of all that fit' }).getAttribute('href'), /\/api\/v1\/runs\/export\?path=mail&format=junit$/);
  await soon.match(() => page.getByRole('link', { name: 'Their logs' }).getAttribute('href'), /\/runs\/logs\.zip\?path=mail$/);
  await page.getByRole('button', { name: 'Clear the history' }).click();
  const dialog = page.getByRole('dialog', { name: 'Clear the history' });
  await soon.equal(() => dialog.getByRole('button', { name: 'Clear' }).isDisabled(), true);
  await soon.equal(() => page.evaluate(() => document.activeElement.textContent), 'Keep it');
  await soon.deepEqual(() => check(page), []);
  await dialog.getByRole('checkbox').check();
  await dialog.getByRole('button', { name: 'Clear' }).click();
  await seen(page, `clear: ${mail} of ${mail}, done`);
  await seen(page, 'No run fits');
  assert.equal(s.runs.size, all - mail);
});

test('live: what ended since is counted and comes when it is asked for; launches have a list of their own', { skip }, async (t) => {
  const s = await fresh(t), page = await open(t, '/runs', { server: s, quiet: false });
  await page.locator('.hrow').first().waitFor();
  await page.locator('.link[data-s=live]').waitFor();
  const l = [...s.launches.values()].find((x) => x.state === 'running'), first = (await files(page))[0];
  s.sendLaunch(l);
  const r = [...s.runs.values()].find((x) => x.state === 'running');
  s.finish(r, 'passed', Date.now(), 'the process exited with 0');
  await page.getByRole('button', { name: '1 new' }).waitFor();
  await soon.equal(async () => (await files(page))[0], first, 'nothing moves by itself');
  await page.getByRole('button', { name: '1 new' }).click();
  await page.getByRole('button', { name: '1 new' }).waitFor({ state: 'detached' });
  await page.getByRole('link', { name: 'Launches' }).click();
  await page.waitForURL(/\/launches$/);
  await page.locator('.hrow .launch').first().waitFor();
  await soon.equal(() => page.locator('.hrow .launch').count(), s.launches.size);
  await page.getByRole('searchbox').fill('nightly state:failed');
  await total(page, 1);
  await soon.deepEqual(() => check(page), []);
  s.faults.status.set('/launches', 500);
  await page.getByRole('searchbox').fill('nightly');
  await page.locator('.note.bad, [role=alert]').first().waitFor();
  s.faults.status.clear();
});

test('names that try something are text in the history; nothing yet; an error', { skip }, async (t) => {
  const s = await fresh(t), none = await fresh(t, { empty: true });
  const r = newest(s)[0], raw = s.runs.get(r.id);
  raw.path = 'spec/<img src=x onerror=alert(1)>/\u202egnp_spec.rb'; raw.reason = '<script>1</script>'; raw.server = { id: 1, name: '<b>qa</b>' };
  s.launches.get(r.launch).ref = '<script>alert(3)</script>'; s.launches.get(r.launch).user = { id: 9, login: '<i>mira</i>' };
  const page = await open(t, '/runs', { server: s, quiet: false });
  await seen(page, '\\u202egnp_spec.rb');
  await seen(page, '<b>qa</b>');
  await soon.equal(() => page.locator('main img, main script, main b').count(), 0);
  const empty = await open(t, '/runs', { server: none });
  await seen(empty, 'Nothing ran yet');
  s.faults.status.set('/runs', 500);
  await page.goto(`${s.url}/runs`);
  await seen(page, 'The history could not be loaded');
  s.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.locator('.hrow').first().waitFor();
});
