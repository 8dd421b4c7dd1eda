/** The own queue as rows in an order: what the server says, and what a change makes of it before the server has answered. */
import type { QueueItem } from './types';

/**
 * The first page of the queue is newer than what was known: what comes behind it stays, without what moved into the page.
 * Between the page's last test and the rest nothing is guessed: whoever needs the whole loads on.
 */
export function mergeFirst(had: readonly QueueItem[], page: readonly QueueItem[], isAll: boolean): QueueItem[] {
  if (isAll || !page.length) return [...page];
  const last = page[page.length - 1].id, at = had.findIndex((x) => x.id === last);
  if (at < 0) return [...page];
  const there = new Set(page.map((x) => x.id));
  return [...page, ...had.slice(at + 1).filter((x) => !there.has(x.id))];
}
/** Moved before the test `before`; null: to the end. They keep their order among themselves. `before` may be one of them: the next that stays is meant. */
export function move(items: readonly QueueItem[], ids: ReadonlySet<number>, before: number | null): QueueItem[] {
  const moved = items.filter((x) => ids.has(x.id)), rest = items.filter((x) => !ids.has(x.id));
  const anchor = anchorOf(items, ids, before), at = anchor === null ? rest.length : rest.findIndex((x) => x.id === anchor);
  return [...rest.slice(0, at), ...moved, ...rest.slice(at)];
}
/** The test that those moved will stand before: never one of them. Null: the end. */
export function anchorOf(items: readonly QueueItem[], ids: ReadonlySet<number>, before: number | null): number | null {
  if (before === null) return null;
  for (let i = items.findIndex((x) => x.id === before); i >= 0 && i < items.length; i++) if (!ids.has(items[i].id)) return items[i].id;
  return null;
}
/** One step up or down as a block: before which test they go; undefined: they cannot move further that way. */
export function step(items: readonly QueueItem[], ids: ReadonlySet<number>, up: boolean): number | null | undefined {
  const at = items.flatMap((x, i) => (ids.has(x.id) ? [i] : []));
  if (!at.length) return undefined;
  if (up) {
    const first = at[0];
    return first === 0 ? (at.length === at[at.length - 1] + 1 ? undefined : items[0].id) : items[first - 1].id;
  }
  const last = at[at.length - 1];
  if (last === items.length - 1) return at.length === items.length - at[0] ? undefined : null;
  return items[last + 2]?.id ?? null;
}
/** How many would go when duplicates do: all that is shown of two tests is equal. Their variables may differ, so the server's number may be less. */
export function duplicates(items: readonly QueueItem[]): number {
  const seen = new Set<string>();
  for (const x of items) seen.add(`${x.project.id}\n${x.path}\n${x.commit}\n${x.location}\n${x.language}\n${x.browser}`);
  return items.length - seen.size;
}
/** "~ 14 min": when it should start, as said `age_ms` ago. */
export function startsIn(ms: number | null, ageMs: number): string {
  if (ms === null) return '';
  const left = ms - ageMs;
  if (left < 1500) return 'next';
  const s = Math.round(left / 1000);
  if (s < 60) return `~ ${s} s`;
  const min = Math.round(s / 60);
  return min < 90 ? `~ ${min} min` : `~ ${(min / 60).toFixed(1)} h`;
}
