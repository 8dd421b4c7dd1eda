// What tests that measure share.
/** So many servers more, each with a run. */
export const many = (s, n) => { for (let i = 100; i < 100 + n; i++) s.servers.set(i, { ...s.servers.get(2), id: i, name: `big-${i}`, running: [{ run: 400, path: `spec/x_${i}_spec.rb`, launch: 12, slot: 0, started_at: new Date().toISOString(), examples: { discovered: 40, passed: 1, failed: 0, pending: 0, not_run: 0, errors: 0 } }] }); };
/** Processor time of the page's main thread, in ms: of tasks, by the browser's own count. */
export async function cpu(page) {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
  const of = async () => { const { metrics } = await cdp.send('Performance.getMetrics'); const m = Object.fromEntries(metrics.map((x) => [x.name, x.value])); return { task: m.TaskDuration * 1000, heap: m.JSHeapUsedSize / 1e6, nodes: m.Nodes }; };
  return { of, gc: async () => { await cdp.send('HeapProfiler.enable'); await cdp.send('HeapProfiler.collectGarbage'); } };
}
