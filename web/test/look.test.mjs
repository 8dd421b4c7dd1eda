// Every screen in light and dark, wide and narrow: axe finds nothing, nothing scrolls sideways. WRATA_SHOTS keeps the pictures.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { busyLaunch, check, failedRun, fake, open, overflow, runningRun, shots, skip, soon } from './browser.mjs';

for (const scheme of ['light', 'dark']) for (const width of [1440, 390]) test(`screens in ${scheme} at ${width}: axe, no sideways scroll`, { skip }, async (t) => {
  const l = busyLaunch() ?? [...fake.launches.values()].at(-1), r = failedRun(), live = runningRun() ?? r;
  const screens = { board: '/', launch: `/launches/${l.id}`, tests: `/launches/${l.id}?tab=tests`, timeline: `/launches/${l.id}?tab=timeline`, compare: `/launches/${l.id}?tab=compare`, run: `/runs/${r.id}`, log: `/runs/${r.id}?tab=log`, files: `/runs/${r.id}?tab=files`, live: `/runs/${live.id}?tab=log`, history: '/runs', launches: '/launches' };
  const page = await open(t, '/', { scheme, width, height: width < 500 ? 844 : 900 });
  for (const [name, address] of Object.entries(screens)) {
    await page.goto(fake.url + address);
    await page.locator({ board: '.tile', launch: '.failure', tests: '.trow', timeline: '.lanes canvas', compare: '.compared li', run: '.failure', log: '.lrow', files: '.artifact', live: '.lrow', history: '.hrow', launches: '.hrow .launch' }[name]).first().waitFor();
    await page.evaluate(() => document.fonts.ready);
    await soon.deepEqual(() => check(page), [], name);
    await soon.ok(async () => await overflow(page) <= 0, `${name} scrolls sideways`);
    await page.screenshot({ path: path.join(shots, `${name}-${scheme}-${width}.png`) });
  }
  await page.setViewportSize({ width: 360, height: 700 });
  await soon.ok(async () => await overflow(page) <= 0);
});
