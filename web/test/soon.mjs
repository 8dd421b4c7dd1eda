// How tests wait for a page: for what it shows, never for a time.
import assert from 'node:assert/strict';

export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const ARGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
/** As long as a machine that does much else may take for what is done at once otherwise; nothing that holds waits for it. */
export const PATIENCE_MS = 30_000;
/** What is thousands of times as much as usual. */
export const LONG_MS = 120_000;

/** assert's own checks of what a page shows: `soon.equal(() => page.title(), 'Board')`. A page draws when it gets to
 *  it and a busy machine lets it wait, so one that does not hold, or cannot be looked at yet, is looked at again, until the time is over. */
export const soon = new Proxy(assert, {
  get: (checks, name) => async (read, ...expected) => {
    for (const end = performance.now() + PATIENCE_MS; ;) {
      try {
        return checks[name](await read(), ...expected);
      } catch (e) {
        if (performance.now() > end) throw e;
      }
      await new Promise((done) => setTimeout(done, 50));
    }
  },
});
/** How far `selector` is scrolled, once it stays there: a wheel goes on turning for a while. */
export const resting = (page, selector) => page.evaluate(async (s) => {
  const at = () => document.querySelector(s).scrollTop;
  for (let was = at(), still = 0; still < 15; was = at()) {
    await new Promise((frame) => { requestAnimationFrame(() => setTimeout(frame, 20)); });
    still = at() === was ? still + 1 : 0;
  }
  return at();
}, selector);
/** The keyboard's place: what is pressed after this goes there. */
export const focused = (element) => soon.ok(() => element.evaluate((e) => e === document.activeElement), 'it has the focus');

/** In the page: what goes by itself after some seconds (a message, ten seconds to take something back) stays for a slow test to see. */
export function patient() {
  const real = window.setTimeout;
  window.setTimeout = (run, ms, ...more) => real(run, ms === 5000 || ms === 10_000 ? ms * 10 : ms, ...more);
}
