// A launch in Chromium: its failures by cause, against the launch before, its runs over time, run again.
import assert from 'node:assert/strict';
import test from 'node:test';
import { LONG_MS, check, heldBack, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const busy = (s) => [...s.launches.values()].find((l) => l.state === 'running');

test('failures by cause: folded numbers, new and known, live; n and p go through all of them', { skip }, async (t) => {
  const s = await fresh(t), l = busy(s), want = s.insight.causes(l.id);
  const page = await open(t, `/launches/${l.id}`, { server: s });
  await page.locator('.cause').first().waitFor();
  await seen(page, `${want.failures} failures, ${want.causes.length} causes`);
  await soon.deepEqual(() => page.locator('.cause h2').filter({ hasNotText: '›' }).allInnerTexts().then((all) => all.slice(0, 1)), [want.causes[0].title]);
  await soon.equal(() => page.locator('.cause').count(), want.causes.length);
  await soon.equal(() => page.locator('.cause > summary .tag.new').count(), want.causes.filter((c) => !c.known).length);
  await soon.ok(async () => (await page.locator('.cause').first().locator('.message').first().innerText()).length > 5, 'the first failure is open');
  for (let i = 0; i < 7; i++) await page.keyboard.press('n');
  await soon.equal(() => page.locator('.failure[data-current]').count(), 1);
  await soon.equal(() => page.locator('.failure[data-current]').evaluate((e) => e.closest('.cause').open && e.getBoundingClientRect().height > 20), true);
  await page.keyboard.press('p');
  const r = [...s.runs.values()].find((x) => x.launch === l.id && x.state === 'running');
  s.one(r, 'failed');
  s.examples.at(-1).message = 'quite another <b>thing</b>'; s.examples.at(-1).cause = undefined;
  s.insight.sendCauses(l.id);
  await page.locator('.cause', { hasText: 'quite another <b>thing</b>' }).waitFor();
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'One by one' }).click();
  await page.waitForURL(/group=none/);
  await page.locator('.panel > .failure').first().waitFor();
  await page.reload();
  await page.locator('.panel > .failure').first().waitFor();
  s.faults.status.set('/causes', 500);
  const without = await open(t, `/launches/${l.id}`, { server: s, quiet: false });
  await without.locator('.failure').first().waitFor();
});

test('failures stand there though the runs do not come; a space presses a button while they are waited for', { skip }, async (t) => {
  const s = await fresh(t), l = busy(s), page = await open(t, '/', { server: s, quiet: false });
  const go = await heldBack(page, '**/api/v1/launches/*/examples*');
  await page.goto(`${s.url}/launches/${l.id}`);
  await page.getByRole('tab', { name: /^Failures/ }).waitFor();
  await page.getByRole('button', { name: 'Stop', exact: true }).focus();
  await page.keyboard.press(' ');
  await page.getByRole('dialog').waitFor();
  go();
  await page.route('**/api/v1/runs?launch=*', (x) => x.abort());
  await page.reload();
  await page.locator('.failure').first().waitFor();
});

test('run again: what failed, all of it; deleted with time to take it back; what was not run is said', { skip }, async (t) => {
  const s = await fresh(t), l = [...s.launches.values()].find((x) => x.outcome === 'failed'), page = await open(t, `/launches/${l.id}`, { server: s, quiet: false });
  const cut = [...s.runs.values()].find((r) => r.launch === l.id);
  cut.examples.not_run = 5; cut.not_run_reason = 'the run was stopped'; l.examples.not_run = 5;
  await page.reload();
  await seen(page, 'Not run 5 examples');
  await seen(page, 'the run was stopped');
  await page.getByRole('button', { name: 'Run failed again 1' }).click();
  await page.getByRole('link', { name: /^Watch #/ }).waitFor();
  assert.deepEqual([...s.launches.values()].at(-1).again, [...s.tests.values()].filter((x) => x.launch === l.id && x.outcome !== 'passed').map((x) => x.path));
  assert.equal([...s.launches.values()].at(-1).what, 'failed');
  await page.getByRole('button', { name: `Only failed examples ${l.examples.failed}` }).click();
  await page.getByRole('link', { name: /^Watch #/ }).nth(1).waitFor();
  assert.equal([...s.launches.values()].at(-1).what, 'failed_examples');
  await page.getByRole('button', { name: 'More' }).click();
  await soon.equal(() => page.getByRole('link', { name: 'JUnit XML' }).getAttribute('href'), `/api/v1/launches/${l.id}/junit`);
  await page.getByRole('button', { name: 'Delete' }).click();
  await page.waitForURL(/\/launches$/);
  await seen(page, `Launch ${l.id} deleted`);
  await page.locator('.hrow .launch').first().waitFor();
  await soon.equal(() => page.locator(`a[href="/launches/${l.id}"]`).count(), 0);
  await page.getByRole('button', { name: 'Undo' }).click();
  await page.locator(`a[href="/launches/${l.id}"]`).waitFor();
  assert.ok(s.launches.has(l.id));
});

test('compared with the launch before: the counts, each kind, another launch, and why there is none', { skip }, async (t) => {
  const s = await fresh(t), l = busy(s), c = s.insight.compare(l.id), page = await open(t, `/launches/${l.id}?tab=compare`, { server: s });
  await seen(page, 'the one before of this project');
  for (const k of ['new', 'known', 'fixed', 'gone']) await soon.equal(() => page.getByRole('button', { name: new RegExp(`^${k}\\s*${c.counts[k]}$`, 'i') }).count(), 1, k);
  await soon.equal(() => page.locator('.compared li').count(), c.counts.new);
  await page.getByRole('button', { name: /^Gone/ }).click();
  await page.waitForURL(/what=gone/);
  await page.waitForFunction((n) => document.querySelectorAll('.compared li').length === n || (n === 0 && document.body.innerText.includes('0 examples here')), c.counts.gone);
  await soon.deepEqual(() => check(page), []);
  await page.getByLabel('Number of the launch to compare with').fill('8');
  await page.keyboard.press('Enter');
  await page.waitForURL(/with=8/);
  await seen(page, 'you named it');
  await page.goto(`${s.url}/launches/${[...s.launches.keys()][0]}?tab=compare`);
  await seen(page, 'there is no earlier launch of this project to compare with');
});

test('the timeline: shares and the longest as the fixture has them, keys read the bars that the table lists', { skip }, async (t) => {
  const s = await fresh(t), l = [...s.launches.values()].find((x) => x.outcome === 'failed'), mine = [...s.runs.values()].filter((r) => r.launch === l.id);
  const at = (x) => Date.parse(x), from = Math.min(...mine.map((r) => at(r.created_at))), to = Math.max(...mine.map((r) => at(r.ended_at))), lanes = new Set(mine.map((r) => r.server.name)).size;
  const busyMs = mine.reduce((n, r) => n + at(r.ended_at) - at(r.started_at), 0), boot = mine.reduce((n, r) => n + at(r.started_at) - at(r.created_at), 0);
  const page = await open(t, `/launches/${l.id}`, { server: s });
  await page.locator('.failure').first().waitFor();
  await page.keyboard.press('3');
  await page.locator('.lanes').waitFor();
  await seen(page, `${mine.length} runs, ${lanes} lanes`);
  await soon.match(() => page.locator('.timeline .bar-of').innerText(), new RegExp(`idle\\s+${Math.round((1 - (busyMs + boot) / (lanes * (to - from))) * 100)} %`));
  const longest = mine.reduce((a, b) => (b.duration_ms > a.duration_ms ? b : a));
  await soon.equal(() => page.locator('.timeline .bar-of a').getAttribute('title'), longest.path);
  await soon.deepEqual(() => check(page), []);
  await page.locator('.lanes').focus();
  const read = [];
  for (let i = 0; i < mine.length; i++) { await page.keyboard.press('ArrowRight'); await soon.equal(() => page.locator('.timeline > .path b').innerText(), `${i + 1} of ${mine.length}`); read.push(await page.locator('.timeline > .path a').innerText()); }
  await page.keyboard.press('+');
  await page.waitForURL(/from=\d+/);
  await page.keyboard.press('0');
  await page.waitForFunction(() => !location.search.includes('from='));
  await page.getByRole('button', { name: 'As a table' }).click();
  await page.waitForURL(/as=table/);
  await soon.deepEqual(() => page.locator('.trow .path').evaluateAll((all) => all.map((e) => e.title)), read.map((x) => x.split(',')[0]));
  await soon.deepEqual(() => check(page), []);
  await page.getByRole('button', { name: 'As a table' }).click();
  await page.waitForFunction(() => document.querySelector('.lanes canvas')?.style.width);   // drawn, so it knows its size
  const box = await page.locator('.lanes').boundingBox();
  await page.mouse.move(box.x + 300, box.y + 40); await page.mouse.down(); await page.mouse.move(box.x + 500, box.y + 42); await page.mouse.up();
  await page.waitForURL(/from=\d+/);
});

test('10,000 bars are drawn within a frame; the tab Tests keeps few rows', { skip }, async (t) => {
  const s = await fresh(t), l = busy(s), at = Date.now() - 4e6, one = [...s.runs.values()].find((r) => r.launch === l.id && r.outcome === 'passed');
  for (let i = 0; i < 10_000; i++) {
    const lane = i % 200, n = Math.floor(i / 200), from = at + n * 78_000 + lane * 90, id = 20_000 + i;
    s.tests.set(id, { id, launch: l.id, path: `spec/many/x_${i}_spec.rb`, state: 'done', outcome: i % 97 ? 'passed' : 'failed', attempts: 1, run: id, why: '' });
    s.runs.set(id, { ...one, id, test: id, path: `spec/many/x_${i}_spec.rb`, server: { id: 500 + lane, name: `big-${lane}` }, slot: 0, outcome: i % 97 ? 'passed' : 'failed', created_at: new Date(from - 1500).toISOString(), started_at: new Date(from).toISOString(), ended_at: new Date(from + 60_000 + (i % 13) * 900).toISOString(), duration_ms: 60_000 });
  }
  const page = await open(t, `/launches/${l.id}?tab=timeline`, { server: s }), t0 = Date.now();
  await page.waitForFunction(() => document.querySelector('.timeline .bar-of')?.innerText.includes('10,0'), null, { timeout: LONG_MS });
  const ready = Date.now() - t0;
  const p95 = await page.evaluate(async () => {
    const el = document.querySelector('.lanes'), all = [];
    for (let i = 0; i < 40; i++) {
      const before = performance.now();
      el.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true }));
      await new Promise((ok) => { requestAnimationFrame(() => setTimeout(ok)); });
      all.push(performance.now() - before);
    }
    return all.sort((a, b) => a - b)[37];
  });
  t.diagnostic(`P10: 10,000 runs ready in ${ready} ms (budget 2,000), a key to the next frame p95 ${p95.toFixed(1)} ms, of it the redraw (budget 16)`);
  await page.keyboard.press('2');
  await page.locator('.trow').first().waitFor();
  await soon.ok(async () => await page.locator('.trow').count() < 60);
});

test('what it was started with: parameters, variables without secrets; the words of a run as they are', { skip }, async (t) => {
  const s = await fresh(t), l = busy(s), page = await open(t, `/launches/${l.id}`, { server: s, quiet: false });
  await page.locator('.cause').first().waitFor();
  await page.keyboard.press('5');
  await page.waitForURL(/tab=parameters/);
  const fact = (name) => page.locator('.facts > div', { has: page.locator('dt', { hasText: new RegExp(`^${name}$`) }) }).locator('dd');
  await soon.equal(() => fact('Servers').innerText(), 'local-1');
  await soon.match(() => fact('Commit').innerText(), new RegExp(l.commit));
  await soon.equal(() => fact('Time limit').innerText(), '1h 00m');
  await soon.equal(() => fact('Limit without output').innerText(), 'none');
  const value = (name) => page.getByRole('row', { name: new RegExp(`^${name}`) }).locator('td').nth(1);
  await soon.equal(() => value('TOKEN').innerText(), 'secret');
  await soon.equal(() => value('OWN').innerText(), 'for its user and admins to see');
  await soon.equal(() => value('SPEC_USER').innerText(), 'qa\n<b>two lines</b>');
  await soon.deepEqual(() => check(page), []);
  s.faults.status.set('/parameters', 500);
  await page.reload();
  await seen(page, 'The parameters could not be loaded');
  s.faults.status.clear();
  await page.getByRole('button', { name: 'Try again' }).click();
  await soon.equal(() => fact('Servers').innerText(), 'local-1');
  const r = [...s.runs.values()].find((x) => x.launch === l.id && x.state === 'done');
  await page.goto(`${s.url}/runs/${r.id}?tab=start`);
  await soon.deepEqual(() => page.locator('.argv li').allInnerTexts(), ['bundle', 'exec', 'rspec', r.path, "it's <i>here</i>"]);
  await soon.equal(() => value('WRATA_RUN_ID').innerText(), String(r.id));
  await soon.equal(() => value('TOKEN').innerText(), 'secret');
  await soon.deepEqual(() => check(page), []);
});
