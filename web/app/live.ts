/**
 * The live link: one stream for this tab, shared by what is on the screen.
 *
 * A subscriber names topics and gets events; `ready` is called when its topics are being delivered and it should load its
 * snapshot now. Events and snapshots are whole objects and events win, so the order in which they arrive does not matter.
 */
import { signal } from './signal';
import { backoff, streamUrl } from '../core/stream';
import { loadMe } from './api';
import { again } from './who';

export type LinkState = 'connecting' | 'live' | 'reconnecting' | 'offline' | 'paused';
export const link = signal<LinkState>('connecting');
export const lostAt = signal<number | null>(null);

export interface LiveEvent { type: string; data: unknown }
export interface Sub { topics: () => string[]; on: (batch: LiveEvent[]) => void; ready: () => void }
interface Entry extends Sub { fresh: boolean }

const TYPES = ['server', 'server-removed', 'launch', 'test', 'run', 'example', 'tests', 'artifacts', 'causes', 'log', 'queue', 'job'];
const HIDDEN_MS = 30_000;
const subs = new Set<Entry>();
let es: EventSource | null = null, since = '', attempt = 0, retry = 0, hidden = 0, settle = 0;
let queue: LiveEvent[] = [], flushing = false;

export function subscribe(sub: Sub): () => void {
  const entry: Entry = { ...sub, fresh: true };
  subs.add(entry);
  later();
  return () => { subs.delete(entry); later(); };
}
/** A subscriber's topics changed. */
export function retopic(): void { later(); }

function later(): void { clearTimeout(settle); settle = setTimeout(open, 0) as unknown as number; }

function close(): void {
  clearTimeout(retry);
  if (es) { es.onopen = es.onerror = null; es.close(); es = null; }
}

let current = '';
function open(): void {
  flush();                                                            // so that every subscriber names where it really is
  const topics: string[] = [];
  for (const s of subs) { const own = s.topics(); topics.push(...own); s.fresh &&= own.length > 0; }
  const key = [...new Set(topics)].sort().join();
  if (es && key === current && ![...subs].some((s) => s.fresh)) return;
  close();
  current = key;
  if (!topics.length || link.peek() === 'paused') return;
  if (link.peek() !== 'live') link.value = attempt ? 'reconnecting' : 'connecting';
  const source = (es = new EventSource(streamUrl(topics, since)));
  const resumed = since !== '';
  let opened = false;
  es.onopen = () => {
    opened = true; attempt = 0; link.value = 'live'; lostAt.value = null;
    for (const s of subs) if (s.fresh || !resumed) { s.fresh = false; s.ready(); }
  };
  es.onerror = () => {
    if (source !== es) return;
    close();
    if (!opened && resumed && attempt > 1) since = '';                // the server knows this revision no more
    void mayWe();
    lostAt.value ??= Date.now();
    link.value = navigator.onLine ? 'reconnecting' : 'offline';
    flush();
    retry = setTimeout(open, backoff(attempt++, Math.random())) as unknown as number;
  };
  es.addEventListener('reset', () => { since = ''; for (const s of subs) { s.fresh = false; s.ready(); } });
  for (const type of TYPES) es.addEventListener(type, (e) => {
    since = e.lastEventId || since;
    queue.push({ type, data: JSON.parse(e.data) });
    if (flushing) return;
    flushing = true;
    if (document.hidden) setTimeout(flush, 200); else requestAnimationFrame(flush);
  });
}
/** A stream says only that it ended. When that is because nobody is signed in any more, trying again is of no use. */
let asking = false;
async function mayWe(): Promise<void> {
  if (asking) return;
  asking = true;
  try { if ((await loadMe()).role === 'nobody' && await again() && !es) { attempt = 0; open(); } } catch { /* the link's own words say it */ }
  asking = false;
}
function flush(): void {
  flushing = false;
  const batch = queue;
  queue = [];
  if (batch.length) for (const s of [...subs]) s.on(batch);
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(hidden);
  if (document.hidden) {
    hidden = setTimeout(() => { close(); link.value = 'paused'; }, HIDDEN_MS) as unknown as number;
    if (flushing) flush();                                            // the frame asked for may never come
  } else if (link.peek() === 'paused') { link.value = 'connecting'; open(); }
});
addEventListener('online', () => { if (!es) { attempt = 0; clearTimeout(retry); open(); } });
addEventListener('offline', () => { if (link.peek() !== 'paused') link.value = 'offline'; lostAt.value ??= Date.now(); });
addEventListener('pagehide', close);
addEventListener('pageshow', (e) => { if (e.persisted) open(); });
