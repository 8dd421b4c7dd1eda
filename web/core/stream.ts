/** What of the live stream needs no browser: addresses, back-off, topics of several tabs, and log bytes that come twice. */
import type { LogEvent } from './types';

/** How often a tab says that it lives. */
export const PING_MS = 15_000;
/** A revision alone, without the places in logs that stand behind it: who asks names those. */
export function streamUrl(topics: readonly string[], since: string): string {
  const t = [...new Set(topics)].sort().join(',');
  return `/api/v1/stream?topics=${t}${since ? `&since=${encodeURIComponent(since.replace(/~.*/, ''))}` : ''}`;
}
/** Seconds until the next attempt: quick at first, never more than 15 s, spread so that tabs do not come together. */
export const backoff = (attempt: number, random: number): number => Math.min(15_000, 500 * 2 ** Math.min(attempt, 5)) * (0.75 + random / 2);

/** What somebody follows: each topic, of a log the byte up to which it is there (0 of all else). */
export type Topics = Map<string, number>;
export const topics = (names: readonly string[]): Topics => new Map(names.map((n) => { const [name, at] = n.split('@'); return [name, Number(at ?? 0)]; }));
/** What several follow: a log from where the last of them is. */
export function union(all: Iterable<Topics>): Topics {
  const out: Topics = new Map();
  for (const one of all) for (const [name, at] of one) out.set(name, Math.min(at, out.get(name) ?? at));
  return out;
}
export const named = (t: Topics): string[] => [...t].map(([name, at]) => (name.startsWith('log:') ? `${name}@${at}` : name));
/** Is an event for one who follows these? Which launch an example is of it does not say. */
export function wants(t: Topics, type: string, d: { id?: number; launch?: number; run?: number }): boolean {
  switch (type) {
    case 'server': case 'server-removed': return t.has('servers');
    case 'launch': return t.has('launches') || t.has(`launch:${d.id}`);
    case 'run': return t.has(`launch:${d.launch}`) || t.has(`run:${d.id}`);
    case 'example': return t.has(`run:${d.run}`) || [...t.keys()].some((n) => n.startsWith('launch:'));
    case 'artifacts': return t.has(`launch:${d.launch}`) || t.has(`run:${d.run}`);
    case 'log': return t.has(`log:${d.run}`);
    case 'queue': return t.has('queue');
    case 'job': return t.has('jobs');
    default: return t.has(`launch:${d.launch}`);
  }
}
/** The part of a log event that is new after `have` bytes; null when a gap lies before it. */
export function freshText(e: LogEvent, have: number): string | null {
  if (e.from > have) return null;
  if (e.to <= have) return '';
  if (e.from === have) return e.text;
  const raw = new TextEncoder().encode(e.text);                       // an overlap: cut by bytes
  return raw.length === e.to - e.from ? new TextDecoder().decode(raw.subarray(have - e.from)) : null;
}

/** How many of the last bytes belong to a character that is not complete yet. */
export function unfinished(b: Uint8Array): number {
  for (let n = 1; n <= 3 && n <= b.length; n++) {
    const c = b[b.length - n];
    if (c < 0x80) return 0;
    if (c >= 0xc0) return n < (c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2) ? n : 0;
  }
  return 0;
}
