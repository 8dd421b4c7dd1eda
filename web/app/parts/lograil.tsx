import { below, type Rows } from '../../core/logview';
import { memo } from './memo';

const STEPS = 500;
function ticks(lines: number[], wide: number, rows: Rows, total: number): string {
  const at = new Set<number>();
  for (const l of lines) at.add(Math.floor((rows.top(rows.index(l)) / total) * STEPS));
  return [...at].map((y) => `M0 ${y + 0.5}h${wide}`).join('');
}
/** Beside the scroll bar: where in the log its error lines are, and the hits of a search. The keys n, p and Enter do the same. `version`: another, when rows moved. */
export const Rail = memo(({ rows, errors, hits }: { rows: Rows; version: string; errors: number[]; hits: number[] }) => {
  const total = Math.max(1, rows.top(rows.count));
  return <svg class="rail" aria-hidden="true" viewBox={`0 0 9 ${STEPS}`} preserveAspectRatio="none" style={{ maxHeight: `${total * 20}px` }}><path d={ticks(hits, 5, rows, total)} /><path class="t-fail" d={ticks(errors, 9, rows, total)} /></svg>;
});
/** The line with a tick that was clicked at, or nearly. */
export function nearest(rail: Element, clientY: number, rows: Rows, ...marks: number[][]): number | undefined {
  const box = rail.getBoundingClientRect(), y = ((clientY - box.top) / box.height) * rows.top(rows.count), line = rows.line(Math.min(rows.count - 1, rows.at(y)));
  const near = marks.flatMap((all) => { const i = below(all, line); return all.slice(Math.max(0, i), i + 2); });
  const off = (l: number): number => Math.abs(rows.top(rows.index(l)) - y);
  return near.sort((a, b) => off(a) - off(b))[0];
}
