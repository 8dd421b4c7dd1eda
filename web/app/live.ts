/**
 * The live link. All tabs of a browser share one stream (hub.ts in a shared worker); where there is no such worker, or it does not
 * answer, a tab has its own. A tab that nobody sees follows nothing after half a minute.
 *
 * A subscriber names topics and gets events; `ready` is called when its topics are being delivered and it should load its
 * snapshot now. Events and snapshots are whole objects and events win, so the order in which they arrive does not matter.
 */
import { signal } from './signal';
import { PING_MS } from '../core/stream';
import { loadMe } from './api';
import type { ToHub, ToTab } from './hub';
import { again, me } from './who';

export type LinkState = 'connecting' | 'live' | 'reconnecting' | 'offline' | 'paused';
export const link = signal<LinkState>('connecting');
export const lostAt = signal<number | null>(null);

export interface LiveEvent { type: string; data: unknown }
export interface Sub { topics: () => string[]; on: (batch: LiveEvent[]) => void; ready: () => void }
interface Entry extends Sub { fresh: boolean }

const HIDDEN_MS = 30_000, ANSWER_MS = 10_000;
const subs = new Set<Entry>();
let hidden = 0, settle = 0, queue: LiveEvent[] = [], flushing = false;

export function subscribe(sub: Sub): () => void {
  const entry: Entry = { ...sub, fresh: true };
  subs.add(entry);
  later();
  return () => { subs.delete(entry); later(); };
}
/** A subscriber's topics changed. */
export function retopic(): void { later(); }

function later(): void { clearTimeout(settle); settle = setTimeout(follow, 0) as unknown as number; }

/* ---- the hub ---- */
declare const HUB: string;                                              // its address, from build.mjs
let port: MessagePort | null = null, shared = false, silent = 0, seq = 0, since = '', followed = '';
const tell = (m: ToHub): void => port?.postMessage(m);
/** The worker's address is the only one that may become code here. */
const code = (url: string): string => (window as { trustedTypes?: { createPolicy: (name: string, rules: object) => { createScriptURL: (u: string) => string } } }).trustedTypes?.createPolicy('hub', { createScriptURL: (u: string) => u }).createScriptURL(url) ?? url;

function listen(to: MessagePort): void {
  port = to;
  to.onmessage = (e) => { if (port === to) { silent = 0; hear(e.data as ToTab); } };
}
function join(): void {
  if (!('SharedWorker' in window)) return alone();
  try {
    // Whoever is signed in has a worker of the own: a new person never hears what was meant for the one before.
    const worker = new SharedWorker(code(HUB), { type: 'module', name: `wrata ${me.peek()?.session ?? ''}` }), here = worker.port;
    shared = true; silent = -1;
    worker.onerror = () => { if (port === here) alone(); };
    listen(here);
    setTimeout(() => { if (port === here && silent < 0) alone(); }, ANSWER_MS);
  } catch { alone(); }
}
/** A hub for this tab alone. */
function alone(): void {
  const { port1, port2 } = new MessageChannel();
  if (shared) tell('bye');
  shared = false; followed = '';
  listen(port1);
  // What is told meanwhile waits in the channel.
  (import(HUB) as Promise<{ connect: (p: MessagePort) => void }>).then((m) => m.connect(port2), () => setTimeout(() => { if (port === port1) alone(); }, ANSWER_MS));
  later();
}
function hear(m: ToTab): void {
  if (m === 'alone') alone();
  else if (m === 'again') { followed = ''; follow(); }
  else if (m === 'reset') for (const s of subs) { s.fresh = false; s.ready(); }
  else if (m === 'pong') return;
  else if ('type' in m) take(m);
  else if ('link' in m) linked(m.link);
  else for (const s of subs) if (m.all || (s.fresh && m.ready === seq)) { s.fresh = false; s.ready(); }
}
function follow(): void {
  if (away) return;
  flush();                                                            // so that every subscriber names where it really is
  const names: string[] = [];
  if (link.peek() !== 'paused' && !out) for (const s of subs) { const own = s.topics(); names.push(...own); s.fresh &&= own.length > 0; }
  const key = [...new Set(names)].sort().join();
  if (key === followed && ![...subs].some((s) => s.fresh)) return;
  followed = key;
  if (!port) join();
  tell({ follow: names, seq: ++seq, since });
}
function linked(now: 'connecting' | 'live' | 'lost'): void {
  if (link.peek() === 'paused') return;
  if (now === 'live') { link.value = 'live'; lostAt.value = null; }
  else if (now === 'connecting') link.value = lostAt.peek() === null ? 'connecting' : 'reconnecting';
  else {
    void mayWe();
    lostAt.value ??= Date.now();
    link.value = navigator.onLine ? 'reconnecting' : 'offline';
    flush();
  }
}
/** A stream says only that it ended. When that is because nobody is signed in any more, trying again is of no use before somebody is. */
let asking = false, out = false, away = false;
async function mayWe(): Promise<void> {
  if (asking) return;
  asking = true;
  const had = me.peek()?.user?.id;
  try {
    const now = await loadMe();
    if (now.role === 'nobody') { out = true; follow(); out = !await again(); follow(); } else if (now.user?.id !== had) location.reload();   // another person's page now
  } catch { /* the link's own words say it */ }
  asking = false;
}

function take(m: { type: string; data: unknown; id: string }): void {
  since = m.id;
  queue.push(m);
  if (flushing) return;
  flushing = true;
  if (document.hidden) setTimeout(flush, 200); else requestAnimationFrame(flush);
}
function flush(): void {
  flushing = false;
  const batch = queue;
  queue = [];
  if (batch.length) for (const s of [...subs]) s.on(batch);
}

/* ---- the tab ---- */
document.addEventListener('visibilitychange', () => {
  clearTimeout(hidden);
  if (document.hidden) {
    hidden = setTimeout(() => { link.value = 'paused'; follow(); }, HIDDEN_MS) as unknown as number;
    if (flushing) flush();                                            // the frame asked for may never come
  } else if (link.peek() === 'paused') { link.value = 'connecting'; follow(); }
});
setInterval(() => {
  if (!port) return;
  if (shared && silent > 1) return alone();                            // it has died
  silent++;
  tell('ping');
}, PING_MS);
addEventListener('online', () => tell('retry'));
addEventListener('offline', () => { if (link.peek() !== 'paused') link.value = 'offline'; lostAt.value ??= Date.now(); });
addEventListener('pagehide', () => { away = true; followed = ''; tell('bye'); });
addEventListener('pageshow', (e) => { away = false; if (e.persisted) follow(); });
