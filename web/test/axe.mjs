// What axe says of a page, and whether it scrolls sideways.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const ALL = { type: 'tag', values: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] };
/** What another theme can make wrong. */
export const COLOURS = { type: 'rule', values: ['color-contrast', 'link-in-text-block'] };
export async function check(page, runOnly = ALL) {
  const cdp = await page.context().newCDPSession(page);                // past the page's policy, as a debugger is
  await cdp.send('Runtime.evaluate', { expression: axe });
  await cdp.detach();
  const r = await page.evaluate((only) => axe.run(document, { runOnly: only, resultTypes: ['violations'] }), runOnly);
  return r.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary?.split('\n')[1] ?? ''}`).join(' | ')}`);
}
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
