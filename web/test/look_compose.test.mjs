// Compose and the first steps in light and dark, wide and narrow: axe finds nothing, nothing scrolls sideways. WRATA_SHOTS keeps the pictures.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { check, open, overflow, shots, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const row = (page, p) => page.locator('.frow', { has: page.locator(`.name[title="${p}"]`) });

for (const scheme of ['light', 'dark']) test(`compose and first steps in ${scheme}: axe, no sideways scroll`, { skip }, async (t) => {
  const s = await fresh(t), none = await fresh(t, { empty: true });
  for (const width of [1440, 1024, 390]) {
    const page = await open(t, '/compose?lang=de-DE&lang=en-US', { server: s, scheme, width, height: width < 500 ? 844 : 900 });
    await row(page, 'spec/').click();
    await row(page, 'spec/forms/').locator('.tick').click();
    await page.evaluate(() => document.fonts.ready);
    await soon.deepEqual(() => check(page), [], `compose ${width}`);
    await soon.ok(async () => await overflow(page) <= 0, `compose scrolls sideways at ${width}`);
    await page.screenshot({ path: path.join(shots, `compose-${scheme}-${width}.png`) });
    await page.setViewportSize({ width: 360, height: 700 });
    await soon.ok(async () => await overflow(page) <= 0, 'compose scrolls sideways at 360');
    const first = await open(t, '/', { server: none, scheme, width });
    await first.getByRole('button', { name: 'Add a server' }).click();
    await first.getByRole('button', { name: 'Use this computer' }).waitFor();
    await soon.deepEqual(() => check(first), [], `first steps ${width}`);
    await soon.ok(async () => await overflow(first) <= 0);
    await first.screenshot({ path: path.join(shots, `first-${scheme}-${width}.png`) });
  }
});
