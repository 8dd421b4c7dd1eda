// For everybody: one voice that does not run on, and texts that stay readable when they are spaced out or magnified.
import assert from 'node:assert/strict';
import test from 'node:test';
import { open, overflow, seen, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const busy = (s) => [...s.launches.values()].find((l) => l.state === 'running');

test('A5: while files fail each second, one voice speaks, at most once in five seconds', { skip }, async (t) => {
  const s = await fresh(t), l = busy(s);
  for (const address of [`/launches/${l.id}`, '/']) {
    const page = await open(t, address, { server: s }), going = [...s.runs.values()].filter((r) => r.launch === l.id && r.state === 'running').slice(0, 4);
    await seen(page, 'regression');
    await soon.equal(() => page.locator('.link').innerText(), 'live');
    await page.clock.install();                                        // from here on the page has the test's time
    await page.evaluate(() => {
      window.spoken = [];
      new MutationObserver((all) => {
        for (const m of all) {
          const el = (m.target.nodeType === 1 ? m.target : m.target.parentElement)?.closest('[role=status], [role=alert], [role=log], [aria-live]');
          if (el?.textContent && el.ariaLive !== 'off') window.spoken.push({ at: Date.now(), who: el.className, text: el.textContent });
        }
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });
    for (const r of going) for (let i = 0; i < 3; i++) {
      if (i === 0) { s.one(r, 'failed'); s.finish(r, 'failed', Date.now(), '1 example failed'); } else s.sendLaunch(l);
      await page.clock.runFor(1000);
    }
    await page.clock.runFor(5000);
    const spoken = await page.evaluate(() => window.spoken);
    assert.ok(spoken.length >= 2, `${address}: ${JSON.stringify(spoken)}`);
    assert.deepEqual(spoken.filter((x) => x.who !== 'sr'), [], 'nothing else speaks');
    for (let i = 1; i < spoken.length; i++) assert.ok(spoken[i].at - spoken[i - 1].at > 4700, JSON.stringify(spoken));   // as they are drawn: a busy page draws late
    assert.match(spoken.at(-1).text, /\d+ files done, \d+ failed/);
  }
});

/** Texts of which something is cut off, and that nothing else says: no title, no name, no link to where they stand in full. */
const lost = (page) => page.evaluate(() => {
  const out = new Set(), walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange();
  while (walk.nextNode()) {
    const el = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || el.closest('title, noscript, svg, option, .sr, [aria-hidden=true], [title], [aria-label], a')) continue;
    range.selectNodeContents(walk.currentNode);
    const r = range.getBoundingClientRect();
    if (!r.width) continue;
    for (let p = el; p && p !== document.body; p = p.parentElement) {
      const style = getComputedStyle(p), box = p.getBoundingClientRect();
      if (/auto|scroll/.test(style.overflowX + style.overflowY)) break;     // it can be brought into view
      const cut = (/hidden|clip/.test(style.overflowX) && r.right > box.right + 2) || (/hidden|clip/.test(style.overflowY) && r.bottom > box.bottom + 3);
      if (cut && !p.querySelector(':scope > [title]')) { out.add(`${p.className || p.tagName}: ${walk.currentNode.data.trim().slice(0, 60)}`); break; }
    }
  }
  return [...out];
});

test('A6: spaced out, and at 200 % of 1280, no text is lost and nothing scrolls sideways', { skip }, async (t) => {
  const s = await fresh(t), l = busy(s), run = [...s.runs.values()].find((r) => r.examples.failed);
  for (const [address, there] of [['/', '.tile'], ['/compose?quick=slow', '.frow'], [`/launches/${l.id}`, '.cause'], [`/launches/${l.id}?tab=parameters`, '.vars'], [`/runs/${run.id}`, '.failure'], ['/runs', '.hrow'], ['/servers', '.servers li'], ['/servers/3', '.facts'], ['/files', '.rows li']]) {
    const page = await open(t, address, { server: s });
    await page.locator(there).first().waitFor();
    const holds = async (what) => {
      await soon.deepEqual(() => lost(page), [], `${address} ${what}`);
      await soon.ok(async () => await overflow(page) <= 0, `${address} ${what} scrolls sideways`);
    };
    await page.evaluate(() => {                                          // what WCAG 1.4.12 names, past the page's policy
      const sheet = new CSSStyleSheet();
      sheet.replaceSync('* { line-height: 1.5 !important; letter-spacing: .12em !important; word-spacing: .16em !important; } p { margin-bottom: 2em !important; }');
      document.adoptedStyleSheets = [sheet];
    });
    await holds('spaced out');
    await page.setViewportSize({ width: 640, height: 450 });
    await holds('at 200 %, spaced out');
    await page.evaluate(() => { document.adoptedStyleSheets = []; });
    await holds('at 200 %');
    await page.context().close();
  }
});
