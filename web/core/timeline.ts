/** Who ran what when: the runs of a launch as bars in lanes, one lane for each slot of a server. */
import type { Outcome, Run } from './types';

export interface Bar { run: Run; lane: number; /** Milliseconds of the wall: since when it was brought, began, ended. */ at: number; from: number; to: number }
export interface Lane { name: string; bars: Bar[] }
export interface Timeline {
  lanes: Lane[];
  /** In the order they began: what the arrow keys and the table walk through. */
  bars: Bar[];
  from: number; to: number;
  /** Of the lanes' time from the first beginning to the end, 0..1: nothing was done; something was brought. */
  idle: number; prepare: number;
  longest: Bar | null;
}
const collator = new Intl.Collator('en', { numeric: true });
export function timeline(runs: Iterable<Run>, now: number): Timeline {
  const lanes = new Map<string, Lane>(), bars: Bar[] = [];
  for (const r of runs) {
    if (!r.server || !r.started_at) continue;
    const from = Date.parse(r.started_at), name = r.slot ? `${r.server.name} ${r.slot}` : r.server.name;
    let lane = lanes.get(name);
    if (!lane) lanes.set(name, (lane = { name, bars: [] }));
    const b: Bar = { run: r, lane: 0, at: Math.min(from, Date.parse(r.created_at)), from, to: Math.max(from, r.ended_at ? Date.parse(r.ended_at) : now) };
    lane.bars.push(b); bars.push(b);
  }
  const all = [...lanes.values()].sort((a, b) => collator.compare(a.name, b.name));
  let from = Infinity, to = -Infinity, busy = 0, prepare = 0, longest: Bar | null = null;
  all.forEach((l, i) => {
    l.bars.sort((a, b) => a.from - b.from);
    let last = -Infinity;
    for (const b of l.bars) {
      b.lane = i; b.at = Math.max(b.at, last); last = b.to;              // what was brought while another still ran is no time of its own
      busy += b.to - b.from; prepare += b.from - b.at;
      from = Math.min(from, b.at); to = Math.max(to, b.to);
      if (!longest || b.to - b.from > longest.to - longest.from) longest = b;
    }
  });
  bars.sort((a, b) => a.from - b.from || a.run.id - b.run.id);
  const room = all.length * (to - from);
  return { lanes: all, bars, from: bars.length ? from : now, to: bars.length ? to : now, idle: room > 0 ? Math.max(0, 1 - (busy + prepare) / room) : 0, prepare: room > 0 ? prepare / room : 0, longest };
}
/** The bar under a point; the last one that has begun there. */
export function barAt(t: Timeline, lane: number, time: number): Bar | null {
  return t.lanes[lane]?.bars.findLast((b) => b.from <= time && time <= b.to) ?? null;
}
export const calm = (o: Outcome | null): 'calm' | 'bad' | 'off' | 'run' => (o === null ? 'run' : o === 'passed' ? 'calm' : o === 'stopped' ? 'off' : 'bad');
/** "14:02:07", of a wall time, in the zone of this computer. */
export const clock = (ms: number): string => new Date(ms).toLocaleTimeString('en-GB');
/** Times at which the axis has a mark: round ones, at most `most`. */
export function marks(from: number, to: number, most: number): number[] {
  const step = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400].map((s) => s * 1000).find((s) => (to - from) / s <= most) ?? 864e5, out: number[] = [];
  for (let t = Math.ceil(from / step) * step; t <= to; t += step) out.push(t);
  return out;
}
