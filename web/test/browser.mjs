// What the tests of the page share: a browser, a stand-in server, and a page that notices everything wrong in it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { start } from './fake.mjs';
import { slowDown } from './slow.mjs';
import { ARGS, CHROMIUM, patient, PATIENCE_MS } from './soon.mjs';

export { check, overflow } from './axe.mjs';
export { focused, LONG_MS, resting, soon } from './soon.mjs';

const built = fs.existsSync(new URL('../dist/index.html', import.meta.url));
export const shots = process.env.WRATA_SHOTS ?? fs.mkdtempSync(path.join(os.tmpdir(), 'wrata-page-'));
export const skip = !fs.existsSync(CHROMIUM) ? `${CHROMIUM} is not installed` : !built ? 'web/dist is not built' : false;

let browser;
export let fake;
before(async () => {
  if (skip) return;
  fs.mkdirSync(shots, { recursive: true });
  fake = await start({ speed: 1 });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS, timeout: 120_000 });
});
after(async () => {
  await browser?.close();
  fake?.close();
  if (!process.env.WRATA_SHOTS) fs.rmSync(shots, { recursive: true, force: true });
});

/** A page that fails the test when anything is wrong in its console or with the policy. `tab`: one more of the same browser; `init` runs in it first. */
export async function open(t, address, { server = fake, width = 1440, height = 900, scheme = 'light', quiet = true, as = '', tab = null, init = null, ...options } = {}) {
  const context = tab?.context() ?? await browser.newContext({ viewport: { width, height }, colorScheme: scheme, ...options });
  if (as) await context.addCookies([{ name: 'wrata', value: server.acc.open(server.acc.byLogin(as), 'Chrome/120 Linux').key, url: server.url, httpOnly: true }]);
  const page = await context.newPage(), wrong = [];
  page.setDefaultTimeout(PATIENCE_MS);
  await slowDown(page);
  page.on('pageerror', (e) => wrong.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error' && !(quiet ? /net::ERR_/ : /Failed to load resource/).test(m.text())) wrong.push(m.text()); });
  await page.addInitScript(patient);
  await page.addInitScript(() => { window.violations = []; document.addEventListener('securitypolicyviolation', (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`)); });
  if (init) await page.addInitScript(init);
  t.after(async () => {
    const v = await page.evaluate(() => window.violations).catch(() => []);
    await context.close();
    assert.deepEqual([...wrong, ...v], []);
  });
  await page.goto(server.url + address);
  return page;
}
/** What the page asks of `address` is answered once what is returned was called. */
export async function heldBack(page, address) {
  let go;
  const held = new Promise((done) => { go = done; });
  await page.route(address, async (route) => { await held; await route.continue(); });
  return go;
}
export const seen = (page, text) => page.getByText(text).first().waitFor();

export const busyLaunch = () => [...fake.launches.values()].find((l) => l.state === 'running');
export const failedRun = () => [...fake.runs.values()].find((r) => r.state === 'done' && r.examples.failed > 0);
export const runningRun = () => [...fake.runs.values()].filter((r) => r.state === 'running').at(-1);
