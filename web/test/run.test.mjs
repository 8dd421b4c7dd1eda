// A run in Chromium: its examples, the runs of the same file, a log of any length.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { check, LONG_MS, open, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const failed = (s) => [...s.runs.values()].find((r) => r.state === 'done' && r.examples.failed > 0);

test('examples: the first failure is open, the passed are folded, failed only, one has an address', { skip }, async (t) => {
  const s = await fresh(t), r = failed(s), mine = s.examples.filter((x) => x.run === r.id), page = await open(t, `/runs/${r.id}`, { server: s });
  await page.locator('.failure').first().waitFor();
  await soon.ok(async () => (await page.locator('.failure .message').first().innerText()).length > 5);
  await page.locator('.group summary').first().waitFor();
  await page.getByRole('button', { name: /^Failed \d/ }).click();
  await page.waitForURL(/show=failed/);
  await page.waitForFunction(() => !document.querySelector('.group'));
  await soon.equal(() => page.locator('.failure').count(), mine.filter((x) => x.status === 'failed').length);
  await page.getByRole('link', { name: 'Link', exact: true }).first().click();
  await page.waitForURL(/#ex-\d+$/);
  const passed = mine.find((x) => x.status === 'passed'), other = await open(t, `/runs/${r.id}#ex-${passed.seq}`, { server: s });
  await other.locator('.ended li[data-current]').waitFor();
  await soon.ok(() => other.locator('.ended li[data-current]').isVisible(), 'its group is open');
  await soon.deepEqual(() => check(other), []);
});

test('the same file before: a strip, its keys, run again, the history of it', { skip }, async (t) => {
  const s = await fresh(t), r = failed(s), old = [...s.runs.values()].find((x) => x.id < r.id && x.outcome === 'passed');
  old.path = r.path; s.tests.get(old.test).path = r.path;
  const same = [...s.runs.values()].filter((x) => x.path === r.path).map((x) => x.id).sort((a, b) => a - b), before = same[same.indexOf(r.id) - 1];
  const page = await open(t, `/runs/${r.id}`, { server: s });
  await page.locator('.strip a[aria-current]').waitFor();
  await soon.deepEqual(() => check(page), []);
  await page.keyboard.press('[');
  await page.waitForURL(`${s.url}/runs/${before}`);
  await page.locator('.strip a[aria-current]').waitFor();
  await page.keyboard.press(']');
  await page.waitForURL(`${s.url}/runs/${r.id}`);
  await page.getByRole('button', { name: 'Run again' }).click();
  await page.getByRole('link', { name: /^Watch #/ }).waitFor();
  assert.deepEqual([...s.launches.values()].at(-1).again, [r.path]);
  await page.getByRole('button', { name: 'More' }).click();
  await page.getByRole('link', { name: 'This file in the history' }).click();
  await page.waitForURL(/\/runs\?q=file/);
  await page.waitForFunction((p) => { const all = [...document.querySelectorAll('.hrow .file a')]; return all.length > 1 && all.every((a) => a.title === p); }, r.path);
  await soon.equal(() => page.locator('.hrow .file a').count(), same.length);
});

test('error lines by n and p; only matches; lines are copied as they are, without their numbers', { skip }, async (t) => {
  const s = await fresh(t), r = failed(s), page = await open(t, `/runs/${r.id}?tab=log`, { server: s });
  await page.getByRole('button', { name: /error lines? ↓/ }).waitFor();
  await page.evaluate(() => { document.querySelector('.logbox').scrollTop = 0; });
  await page.keyboard.press('n');
  await page.waitForURL(/#L\d+$/);
  await soon.match(() => page.locator('.lrow[data-cur] code').innerText(), /✗|Error|Failure/);
  await page.getByRole('searchbox', { name: 'Search log' }).fill('retry=');
  await page.getByRole('button', { name: 'Only matches' }).click();
  await page.waitForFunction(() => { const all = [...document.querySelectorAll('.lrow')]; return all.length > 1 && all.every((l) => l.innerText.includes('retry=')); });
  await soon.ok(async () => { const n = await page.locator('.lrow > a').allInnerTexts(); return Number(n.at(-1)) > n.length; }, 'line numbers are those of the log');
  await page.getByRole('button', { name: 'Only matches' }).click();
  await page.goto(`${s.url}/runs/${r.id}?tab=log#L2-L4`);
  await page.locator('.lrow[data-cur]').nth(2).waitFor();
  const text = await page.evaluate(() => {
    const rows = [...document.querySelectorAll('.lrow[data-cur]')], range = document.createRange(), sel = getSelection();
    range.setStart(rows[0].querySelector('code'), 0); range.setEnd(rows[2].querySelector('code'), rows[2].querySelector('code').childNodes.length);
    sel.removeAllRanges(); sel.addRange(range);
    return sel.toString();
  });
  assert.deepEqual(text.split('\n').map((l) => l.trimEnd()), s.logs.get(r.id).bytes.toString().replace(/\x1b\[[0-9;]*m/g, '').split('\n').slice(1, 4).map((l) => l.trimEnd()));
});

test('a log longer than its window: lines keep their numbers, the server searches the rest, a link leads there', { skip }, async (t) => {
  const s = await fresh(t), r = failed(s), lines = [];
  for (let i = 1; i <= 260_000; i++) lines.push(`${i === 12 ? 'the one needle ' : ''}line ${i} of a log that has very many of them, and each is eighty bytes`);
  s.logs.set(r.id, { bytes: Buffer.from(`${lines.join('\n')}\n`), complete: true });
  const page = await open(t, `/runs/${r.id}?tab=log`, { server: s });
  await page.waitForFunction(() => /lines [\d,]+ to 260,000/.test(document.querySelector('.log .note')?.innerText ?? ''), null, { timeout: LONG_MS });
  await soon.equal(() => page.locator('.lrow > a').last().innerText(), '260000');
  await soon.match(() => page.locator('.lrow code').last().innerText(), /^line 260000 /);
  await page.getByRole('searchbox', { name: 'Search log' }).fill('needle');
  await page.locator('.hits button').getByText('the one needle line 12').waitFor();
  await page.locator('.hits button').click();
  await page.locator('.lrow[data-cur]').waitFor();
  await soon.equal(() => page.locator('.lrow[data-cur] > a').innerText(), '12');
  await soon.match(() => page.locator('.lrow[data-cur] code').innerText(), /^the one needle line 12 /);
  await page.getByRole('button', { name: 'Its end' }).click();
  await page.waitForFunction(() => [...document.querySelectorAll('.lrow > a')].at(-1)?.innerText === '260000', null, { timeout: LONG_MS });
  const heap = await page.evaluate(() => document.querySelectorAll('*').length);
  t.diagnostic(`P6: ${heap} elements with a log of 260,000 lines (budget 2,600)`);
  assert.ok(heap < 2600);
  await page.goto('about:blank');
  await page.goto(`${s.url}/runs/${r.id}?tab=log#L20`);
  await page.locator('.lrow[data-cur] > a').getByText('20', { exact: true }).waitFor({ timeout: LONG_MS });
});

test('the text of a log that grew while it was read is the file', { skip }, async (t) => {
  const s = await fresh(t), r = [...s.runs.values()].find((x) => x.state === 'running');
  const page = await open(t, `/runs/${r.id}?tab=log`, { server: s });
  await page.locator('.lrow').first().waitFor();
  await soon.match(() => page.locator('.lrow code').first().innerText(), /bundle exec rspec/, 'line 1 is there');
  for (let i = 0; i < 60; i++) s.write(r.id, `\x1b[31mred ${i}\x1b[0m é ${'x'.repeat(i)}\n`);
  s.write(r.id, 'last', true);
  await page.getByText('last', { exact: true }).waitFor();
  const want = s.logs.get(r.id).bytes.toString().replace(/\x1b\[[0-9;]*m/g, ''), lines = want.split('\n');
  const got = new Map();
  for (let y = 0; got.size < lines.length && y < 60; y++) {
    const there = await page.evaluate(async (top) => {
      document.querySelector('.logbox').scrollTop = top;
      await new Promise((drawn) => { requestAnimationFrame(() => setTimeout(drawn)); });
      return [...document.querySelectorAll('.lrow')].map((e) => [Number(e.querySelector('a').innerText), e.querySelector('code').textContent.replace('\n', '')]);
    }, y * 400);
    for (const [n, text] of there) got.set(n, text);
  }
  const hash = (x) => createHash('sha256').update(x).digest('hex');
  assert.equal(hash([...got].sort((a, b) => a[0] - b[0]).map((x) => x[1]).join('\n')), hash(want));
});
