// What the tests of the page share: a browser, a stand-in server, and a page that notices everything wrong in it.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { start } from './fake.mjs';

export { check, overflow } from './axe.mjs';

const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const built = fs.existsSync(new URL('../dist/index.html', import.meta.url));
export const shots = process.env.WRATA_SHOTS ?? fs.mkdtempSync(path.join(os.tmpdir(), 'wrata-page-'));
export const skip = !fs.existsSync(CHROMIUM) ? `${CHROMIUM} is not installed` : !built ? 'web/dist is not built' : false;

let browser;
export let fake;
before(async () => {
  if (skip) return;
  fs.mkdirSync(shots, { recursive: true });
  fake = await start({ speed: 1 });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
});
after(async () => {
  await browser?.close();
  fake?.close();
  if (!process.env.WRATA_SHOTS) fs.rmSync(shots, { recursive: true, force: true });
});

/** A page that fails the test when anything is wrong in its console or with the policy. */
export async function open(t, address, { server = fake, width = 1440, height = 900, scheme = 'light', quiet = true, as = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, ...options });
  if (as) await context.addCookies([{ name: 'wrata', value: server.acc.open(server.acc.byLogin(as), 'Chrome/120 Linux').key, url: server.url, httpOnly: true }]);
  const page = await context.newPage(), wrong = [];
  page.setDefaultTimeout(15_000);
  page.on('pageerror', (e) => wrong.push(String(e)));
  page.on('console', (m) => { if (m.type() === 'error' && !(quiet ? /net::ERR_/ : /Failed to load resource/).test(m.text())) wrong.push(m.text()); });
  await page.addInitScript(() => { window.violations = []; document.addEventListener('securitypolicyviolation', (e) => window.violations.push(`${e.violatedDirective} ${e.blockedURI}`)); });
  t.after(async () => {
    const v = await page.evaluate(() => window.violations).catch(() => []);
    await context.close();
    assert.deepEqual([...wrong, ...v], []);
  });
  await page.goto(server.url + address);
  return page;
}
export const seen = (page, text) => page.getByText(text).first().waitFor({ timeout: 15_000 });

const PATIENCE_MS = 10_000;
/** assert's own checks of what a page shows: `soon.equal(() => page.title(), 'Board')`. A page draws when it gets to
 *  it and a busy machine lets it wait, so one that does not hold is looked at again, until the time is over. */
export const soon = new Proxy(assert, {
  get: (checks, name) => async (read, ...expected) => {
    for (const end = performance.now() + PATIENCE_MS; ;) {
      try {
        return checks[name](await read(), ...expected);
      } catch (e) {
        if (e.code !== 'ERR_ASSERTION' || performance.now() > end) throw e;
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  },
});
export const busyLaunch = () => [...fake.launches.values()].find((l) => l.state === 'running');
export const failedRun = () => [...fake.runs.values()].find((r) => r.state === 'done' && r.examples.failed > 0);
export const runningRun = () => [...fake.runs.values()].filter((r) => r.state === 'running').at(-1);
