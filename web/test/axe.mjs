// What axe says of a page, and whether it scrolls sideways.
import fs from 'node:fs';
import { createRequire } from 'node:module';

const axe = fs.readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
export async function check(page) {
  const cdp = await page.context().newCDPSession(page);                // past the page's policy, as a debugger is
  await cdp.send('Runtime.evaluate', { expression: axe });
  await cdp.detach();
  const r = await page.evaluate(() => axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
  return r.violations.map((v) => `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => `${n.target} ${n.failureSummary?.split('\n')[1] ?? ''}`).join(' | ')}`);
}
export const overflow = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
