/** What of the live stream needs no browser: addresses, back-off, and log bytes that come twice. */
import type { LogEvent } from './types';

export function streamUrl(topics: readonly string[], since: string): string {
  const t = [...new Set(topics)].sort().join(',');
  return `/api/v1/stream?topics=${t}${since ? `&since=${encodeURIComponent(since)}` : ''}`;
}
/** Seconds until the next attempt: quick at first, never more than 15 s, spread so that tabs do not come together. */
export const backoff = (attempt: number, random: number): number => Math.min(15_000, 500 * 2 ** Math.min(attempt, 5)) * (0.75 + random / 2);

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
