// Logs that pour: what it costs the page, and that it stays as large as it is. Figures are printed; asserted is what a busy computer keeps.
import assert from 'node:assert/strict';
import test from 'node:test';
import { open, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';
import { cpu, many } from './measure.mjs';

const fresh = async (t, options = {}) => { const s = await start({ speed: 0, ...options }); t.after(() => s.close()); return s; };
const sleep = (ms) => new Promise((ok) => { setTimeout(ok, ms); });

/** A page on a log that goes on, written to for so many seconds; what its main thread did meanwhile, a second. */
async function busy(t, { lines, seconds, scroll = false, wrapped = false, fleet = 0 }) {
  const s = await fresh(t), r = [...s.runs.values()].find((x) => x.state === 'running');
  many(s, 190);
  const page = await open(t, `/runs/${r.id}?tab=log`, { server: s });
  await page.locator('.lrow').first().waitFor();
  s.write(r.id, `${'a line that was there before, and is looked at\n'.repeat(5000)}`);
  await page.locator('.log .bar-of').getByText(/^5,0/).waitFor();
  if (wrapped) { await page.keyboard.press('w'); await page.keyboard.press('T'); await page.locator('.log[data-wrap] .lrow time').first().waitFor(); }
  await page.mouse.move(600, 600);
  await page.evaluate(() => {
    window.long = []; window.frames = [];
    new PerformanceObserver((l) => { for (const e of l.getEntries()) window.long.push(e.duration); }).observe({ type: 'longtask' });
    let last = performance.now();
    const frame = (now) => { window.frames.push(now - last); last = now; requestAnimationFrame(frame); };
    requestAnimationFrame(frame);
  });
  const m = await cpu(page), m0 = await m.of(), began = performance.now();
  let written = 0, k = 0, wheels = 0;
  const wheel = scroll && (async () => { while (performance.now() - began < seconds * 1000) { await page.mouse.wheel(0, wheels++ % 40 < 20 ? -240 : 260); await sleep(16); } })();
  for (let now; (now = performance.now() - began) < seconds * 1000;) {
    const due = Math.round((now / 1000) * lines) - written;
    if (due) s.write(r.id, Array.from({ length: due }, (_, i) => `[${written + i}] \x1b[32mstep\x1b[0m of a test that says what it does, https://qa.example.org/${i}`).join('\n') + '\n');
    written += due;
    for (let i = 0; i < fleet / 10; i++) s.sendServer(s.servers.get(100 + (k++ % 190)));
    await sleep(100);
  }
  await wheel;
  const took = (performance.now() - began) / 1000, m1 = await m.of(), { long, frames } = await page.evaluate(() => ({ long: window.long, frames: window.frames.slice(2) }));
  frames.sort((a, b) => a - b);
  return { page, written, cpu: Math.round((m1.task - m0.task) / took), long: long.reduce((a, b) => a + b, 0) / 1000, n: long.length, worst: Math.round(Math.max(0, ...long)), p95: Math.round(frames[Math.floor(frames.length * 0.95)]), took };
}
test('P4, P5: a log that pours, under a wheel', { skip }, async (t) => {
  const a = await busy(t, { lines: 5000, seconds: 8, scroll: true });
  t.diagnostic(`P4: ${Math.round(a.written / a.took)} lines/s with a wheel, ${a.took.toFixed(1)} s: ${a.cpu} ms/s of CPU (budget 700), ${a.n} tasks longer than 50 ms by the clock (2 by CPU), the longest ${a.worst} ms`);
  await soon.ok(async () => (await a.page.locator('.log .bar-of .faint.num').innerText()).replace(/,/g, '').match(/^\d+/)[0] >= a.written, 'every line came');
  const w = await busy(t, { lines: 5000, seconds: 4, wrapped: true });
  t.diagnostic(`P4: the same followed, wrapped, with times, ${w.took.toFixed(1)} s: ${w.cpu} ms/s of CPU, the longest task ${w.worst} ms`);
  const b = await busy(t, { lines: 200, seconds: 15, scroll: true, fleet: 400 });
  t.diagnostic(`P5: 200 lines/s with a wheel, ${b.took.toFixed(1)} s: long tasks ${b.long.toFixed(2)} s in all (budget 2.5), frames p95 ${b.p95} ms (67)`);
  for (const [what, x, most] of [['P4', a, 1400], ['P4 wrapped', w, 1400], ['P5', b, 900]]) assert.ok(x.cpu < most, `${what}: twice the budget: ${x.cpu} ms/s`);
});

// WRATA_STREAM_MINUTES=10: so long in real time, the lines of P3; otherwise an hour of them as fast as they are taken.
test('P11: hours of lines: memory is flat', { skip }, async (t) => {
  const minutes = Number(process.env.WRATA_STREAM_MINUTES ?? 0), s = await fresh(t), r = [...s.runs.values()].find((x) => x.state === 'running');
  many(s, 190);
  const log = await open(t, `/runs/${r.id}?tab=log`, { server: s }), board = await open(t, '/', { server: s }), ms = [await cpu(log), await cpu(board)];
  await log.locator('.lrow').first().waitFor();
  await board.locator('.tile').nth(150).waitFor({ state: 'attached' });
  let n = 0, k = 0;
  const lines = (m) => { s.write(r.id, Array.from({ length: m }, () => `[${n++}] \x1b[32mstep\x1b[0m of a test that says what it does and waits, and fails ${n % 1000 ? 'never' : 'with an Error'}`).join('\n') + '\n'); s.forgetLog(r.id); };
  const taken = () => log.waitForFunction((want) => Number(document.querySelector('.log .bar-of .faint.num').textContent.split(' ')[0].replace(/,/g, '')) >= want, n, { timeout: 60_000 });
  const heap = async () => { const all = []; for (const m of ms) { await m.gc(); all.push((await m.of()).heap); } return all; };
  while (n < 260_000) { lines(5000); await taken(); }                  // the window is full from here on
  for (let i = 0; i < 400; i++) s.sendServer(s.servers.get(100 + (k++ % 190)));
  const h = [await heap()], said = (x) => x.map((v) => v.toFixed(1)).join(' + ');
  if (!minutes) {
    for (let i = 0; i < 144; i++) { lines(5000); for (let j = 0; j < 20; j++) s.sendServer(s.servers.get(100 + (k++ % 190))); if (i % 4 === 3) await taken(); }
    h.push(await heap());
  } else for (let m = 0; m < minutes; m++) {
    for (const end = performance.now() + 60_000; performance.now() < end; await sleep(100)) { lines(20); for (let j = 0; j < 50; j++) s.sendServer(s.servers.get(100 + (k++ % 190))); }
    h.push(await heap());
    t.diagnostic(`P11: minute ${m + 1}: ${said(h.at(-1))} MB`);
  }
  const grown = h.at(-1).map((x, i) => x - h[0][i]);
  t.diagnostic(`P11: ${minutes ? `${minutes} min` : 'an hour compressed'}, ${n - 260_000} lines after the window was full: heap after GC ${said(h[0])} MB (log + board), then ${said(h.at(-1))}: ${grown.map((x) => x.toFixed(2)).join(', ')} (budget 5)`);
  assert.ok(grown[0] + grown[1] < 5, `it grew by ${grown} MB`);
});
