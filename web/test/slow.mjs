// WRATA_SLOW=6: every page of the tests has a sixth of the processor, and the stand-in hears and answers late, so that what is lazily
// loaded, answers and events come in other orders than on a quiet computer. The same from run to run; WRATA_SLOW_SEED=2: other delays.
const MIN_MS = 50, MAX_MS = 300;
export const times = Number(process.env.WRATA_SLOW ?? 1);
if (!(times >= 1)) throw new Error(`WRATA_SLOW: '${process.env.WRATA_SLOW}' is no number from 1 on`);

/** The processor of a page. */
export async function slowDown(page) {
  if (times === 1) return;
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Emulation.setCPUThrottlingRate', { rate: times });
}

/** The delays of one stand-in. */
export function lateness() {
  let seed = Number(process.env.WRATA_SLOW_SEED ?? 1);
  const delay = () => MIN_MS + (MAX_MS - MIN_MS) * ((seed = (seed * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff);
  if (times === 1) return { answer: (_res, _stream, run) => run(), inOrder: (write) => write };
  return {
    /** Half of the time before it is heard, half before it is answered; a stream is answered piece by piece. */
    answer(res, stream, run) {
      const ms = delay() / 2, end = res.end;
      if (!stream) res.end = (...all) => { setTimeout(() => end.apply(res, all), ms); return res; };
      setTimeout(run, ms);
    },
    /** What is written comes late, and in its order. */
    inOrder(write) {
      const waiting = [];
      let next = 0;
      return (text) => {
        next = Math.max(next, performance.now() + delay());
        waiting.push(text);
        setTimeout(() => write(waiting.shift()), next - performance.now());
      };
    },
  };
}
