// The queue in light and dark, wide and narrow: axe finds nothing, nothing scrolls sideways. WRATA_SHOTS keeps the pictures.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { check, open, overflow, shots, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t) => { const s = await start({ speed: 0 }); t.after(() => s.close()); return s; };

for (const scheme of ['light', 'dark']) test(`the queue in ${scheme}: axe, no sideways scroll`, { skip }, async (t) => {
  const s = await fresh(t);
  for (const width of [1440, 1024, 390]) {
    const page = await open(t, '/?pane=queue', { server: s, scheme, width, height: width < 500 ? 844 : 900 });
    await page.locator('.qrow').first().waitFor();
    await page.locator('#q-2').click();
    await page.evaluate(() => document.fonts.ready);
    await soon.deepEqual(() => check(page), [], `queue ${width}`);
    await soon.ok(async () => await overflow(page) <= 0, `queue scrolls sideways at ${width}`);
    await page.screenshot({ path: path.join(shots, `queue-${scheme}-${width}.png`) });
  }
});
