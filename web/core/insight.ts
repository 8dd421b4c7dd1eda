/** One file over time: out of its runs, what a reader wants to know of it. */
import type { Run } from './types';

export const FLAKY_DAYS = 14;
/** The rule of flaky: it failed and passed on one commit within fourteen days. The commits on which it did. */
export function flakyCommits(runs: readonly Run[]): string[] {
  const seen = new Map<string, { passed: number[]; failed: number[] }>();
  for (const r of runs) {
    if (r.outcome !== 'passed' && r.outcome !== 'failed') continue;
    let c = seen.get(r.commit);
    if (!c) seen.set(r.commit, (c = { passed: [], failed: [] }));
    c[r.outcome].push(Date.parse(r.ended_at ?? r.created_at));
  }
  return [...seen].filter(([, c]) => c.passed.some((p) => c.failed.some((f) => Math.abs(p - f) <= FLAKY_DAYS * 864e5))).map(([commit]) => commit);
}
export function median(all: readonly number[]): number | null {
  if (!all.length) return null;
  const s = [...all].sort((a, b) => a - b), m = s.length >> 1;
  return s.length % 2 ? s[m] : (s[m - 1] + s[m]) / 2;
}
/** Of those that say something of the file: passed ones, and all. */
export const passRate = (runs: readonly Run[]): { passed: number; of: number } => {
  const said = runs.filter((r) => r.outcome && r.outcome !== 'stopped' && r.outcome !== 'infrastructure');
  return { passed: said.filter((r) => r.outcome === 'passed').length, of: said.length };
};
