// The walk of a person (board, launch, failing example, run, log) against a real server that has a launch with a failure.
// WRATA_URL names it, WRATA_TOKEN is shown to it; nothing is started here.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import test from 'node:test';
import { chromium } from 'playwright-core';
import { slowDown } from './slow.mjs';
import { ARGS, CHROMIUM, PATIENCE_MS, soon } from './soon.mjs';

const base = process.env.WRATA_URL?.replace(/\/$/, '');
const headers = process.env.WRATA_TOKEN ? { authorization: `Bearer ${process.env.WRATA_TOKEN}` } : {};
// A browser gives the headers of a page not to its workers: with a token each page has its own stream.
const alone = (page) => (process.env.WRATA_TOKEN ? page.addInitScript(() => { delete window.SharedWorker; }) : null);
const skip = !base ? 'WRATA_URL is not set' : !fs.existsSync(CHROMIUM) ? `${CHROMIUM} is not installed` : false;

test('board, launch, failing example, run, log', { skip, timeout: 800_000 }, async (t) => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS, timeout: 120_000 });
  t.after(() => browser.close());
  const page = await browser.newPage({ extraHTTPHeaders: headers }), wrong = [], foreign = [];
  page.setDefaultTimeout(PATIENCE_MS);
  await alone(page);
  await slowDown(page);
  page.on('pageerror', (e) => wrong.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error') wrong.push(m.text()); });
  page.on('request', (r) => { if (!r.url().startsWith(base)) foreign.push(r.url()); });

  const head = await page.goto(`${base}/`);
  assert.match(head.headers()['content-security-policy'] ?? '', /default-src 'none'/);
  assert.equal(head.headers()['x-content-type-options'], 'nosniff');
  await page.locator('.link[data-s=live]').waitFor();
  await page.locator('.tile').first().waitFor();
  await page.locator('.launch').first().waitFor();

  // The newest launch with a failed example; its page counts what the API counts.
  const { items } = await (await fetch(`${base}/api/v1/launches?limit=100`, { headers })).json();
  const launch = items.find((l) => l.examples.failed > 0);
  assert.ok(launch, 'the server has no launch with a failed example');
  await page.locator(`.launch[href="/launches/${launch.id}"]`).click();
  await page.waitForURL(`${base}/launches/${launch.id}`);
  const failure = page.locator('.failure').first();
  await failure.waitFor();
  await failure.locator('.message').waitFor();                         // one click from the address to the first failing example's message
  await soon.match(() => failure.locator('.trace li').first().innerText(), /_spec\.rb:\d+/);
  await page.getByRole('tab', { name: 'Tests' }).click();
  await page.locator('.trow').first().waitFor();
  await page.goBack();

  await failure.getByRole('link', { name: 'Open the run' }).click();
  await page.waitForURL(/\/runs\/\d+#ex-\d+$/);
  await page.locator('.failure').first().waitFor();
  const run = Number(/runs\/(\d+)/.exec(page.url())[1]);
  await page.getByRole('tab', { name: 'Log' }).click();
  await page.locator('.lrow').first().waitFor();
  const log = await (await fetch(`${base}/api/v1/runs/${run}/log?max=4194304`, { headers })).text();
  const lines = log.replace(/\n$/, '').split('\n').length;
  await page.waitForFunction((n) => document.querySelector('.log .faint')?.textContent.startsWith(`${n.toLocaleString('en-US')} lines`), lines);

  await page.getByRole('combobox', { name: 'Times of lines' }).selectOption('Since the start');
  await page.locator('.lrow time').getByText(/^\d+:\d\d\.\d{3}$/).first().waitFor();

  // The history: what the filter finds is what the API says, and a row leads to its run.
  await page.goto(`${base}/runs?q=state:failed`);
  await page.locator('.hrow').first().waitFor();
  const api = await (await fetch(`${base}/api/v1/runs?outcome=failed&limit=100`, { headers })).json();
  await soon.deepEqual(() => page.locator('.hrow .file a').evaluateAll((all) => all.map((a) => Number(a.pathname.split('/').at(-1)))), api.items.map((r) => r.id));
  await page.getByRole('searchbox').fill('nothing_is_called_so');
  await page.getByText('No run fits').waitFor();
  await page.goto(`${base}/runs?q=state:failed`);
  await page.locator('.hrow .file a').first().click();
  await page.locator('.failure, .lrow').first().waitFor();
  await page.goto(`${base}/launches/${launch.id}?tab=timeline&as=table`);
  await page.locator('.trow').first().waitFor();
  await soon.equal(() => page.locator('.trow').count(), launch.tests.total);

  await page.goto(`${base}/runs/999999999`);
  await page.getByText('Nothing at /runs/999999999').waitFor();
  assert.deepEqual(wrong.filter((w) => !/404/.test(w)), []);
  assert.deepEqual(foreign, []);
});

// WRATA_LEFT: a run that left a picture for its failing example, and a page that would do something if it could.
test('files that a run left', { skip: skip || (process.env.WRATA_LEFT ? false : 'WRATA_LEFT is not set'), timeout: 800_000 }, async (t) => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS, timeout: 120_000 });
  t.after(() => browser.close());
  const page = await browser.newPage({ extraHTTPHeaders: headers }), wrong = [];
  page.setDefaultTimeout(PATIENCE_MS);
  await alone(page);
  await slowDown(page);
  page.on('pageerror', (e) => wrong.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error') wrong.push(m.text()); });
  await page.goto(`${base}/runs/${process.env.WRATA_LEFT}`);
  const image = page.locator('.failure .artifact img').first();
  await image.waitFor();
  await page.waitForFunction(() => document.querySelector('.failure .artifact img')?.naturalWidth === 1, null);
  await page.getByRole('tab', { name: /Files\s*3/ }).click();
  await soon.deepEqual(async () => (await page.locator('.artifact .name').allInnerTexts()).sort(), ['mischief.html', 'mischief.svg', 'pixel.png']);
  const down = page.waitForEvent('download');
  await page.getByRole('link', { name: 'Download all' }).click();
  assert.equal((await down).suggestedFilename(), `run-${process.env.WRATA_LEFT}-artifacts.zip`);
  const { items } = await (await fetch(`${base}/api/v1/runs/${process.env.WRATA_LEFT}/artifacts`, { headers })).json();
  for (const a of items) {
    const r = await fetch(`${base}/api/v1/artifacts/${a.id}`, { headers });
    assert.match(r.headers.get('content-security-policy'), /^sandbox; default-src 'none'/);
    assert.equal(r.headers.get('content-disposition').startsWith('inline'), a.type === 'image/png');
  }
  assert.deepEqual(wrong, []);
});
