/**
 * The own queue, live. The stream says only that it changed; the first page is then read at once, and the rest when what is known
 * cannot be all of it. A change shows before the server has answered; when somebody else was faster, nothing is done and it is said.
 */
import { signal } from './signal';
import { mergeFirst } from '../core/queue';
import type { Paused, Queue, QueueChanged, QueueEvent, QueueItem, Undo } from '../core/types';
import { asError, get, post, type ApiError } from './api';
import { subscribe } from './live';

const PAGE = 500, MOST = 20_000;
export type Outcome = { ok: true; answer: QueueChanged } | { ok: false; conflict: boolean; error: ApiError };

export class QueueStore {
  items: QueueItem[] = [];
  /** When the predicted starts of the items were said. */
  saidAt = 0;
  waiting = 0; version = 0; paused: Paused | null = null; undos: Undo[] = [];
  phase = signal<'loading' | 'ready' | 'error'>('loading');
  error = signal<ApiError | null>(null);
  rev = signal(0);
  /** Only the beginning of a queue this long is shown. */
  cut = false;
  private ac = new AbortController();
  private leave: (() => void) | null = null;
  private timer = 0; private reading = false; private again = false; private sending = 0; private asked = false;
  private chain: Promise<void> = Promise.resolve();

  start(): () => void {
    this.leave = subscribe({
      topics: () => ['queue'],
      on: (batch) => { for (const e of batch) if (e.type === 'queue') this.told(e.data as QueueEvent); },
      ready: () => this.soon(0),
    });
    const late = setTimeout(() => { if (!this.asked) this.soon(0); }, 500);
    return () => { clearTimeout(late); clearTimeout(this.timer); this.timer = 0; this.leave?.(); this.ac.abort(); };
  }
  retry = (): void => { this.phase.value = 'loading'; this.error.value = null; this.soon(0); };

  private told(e: QueueEvent): void {
    this.paused = e.paused;
    if (e.version === this.version && e.waiting === this.waiting && e.waiting === this.items.length) { this.rev.value++; return; }
    this.waiting = e.waiting;
    this.rev.value++;
    this.soon(200);
  }
  private soon(ms: number): void {
    if (this.reading || this.sending) { this.again = true; return; }
    if (!this.timer) this.timer = setTimeout(() => { this.timer = 0; void this.read(); }, ms) as unknown as number;
  }
  private async read(): Promise<void> {
    this.reading = this.asked = true; this.again = false;
    this.ac.abort();
    const ac = (this.ac = new AbortController()), began = performance.now();
    let pages = 0;
    try {
      let q = await get<Queue>(`/queue?limit=${PAGE}`, ac.signal);
      this.take(q);
      this.items = mergeFirst(this.items, q.items, q.next === null);
      this.saidAt = Date.now(); this.cut = false;
      this.shown();
      if (this.items.length !== q.waiting) {                          // what is known is not all of it, or more than there is
        const all = [...q.items];
        while (q.next !== null && all.length < MOST) {
          q = await get<Queue>(`/queue?limit=${PAGE}&cursor=${encodeURIComponent(q.next)}`, ac.signal);
          all.push(...q.items);
          pages++;
          if (all.length > this.items.length) { this.items = once(all); this.shown(); }
        }
        this.take(q);
        this.items = once(all);
        this.cut = q.next !== null;
        this.shown();
      }
    } catch (e) {
      if (!ac.signal.aborted) { this.error.value = asError(e); if (this.phase.peek() !== 'ready') this.phase.value = 'error'; }
    }
    this.reading = false;
    // A long queue that changes all the time is read again and again, but not more than half of the time.
    if (this.again && !ac.signal.aborted) this.soon(pages ? Math.max(1000, performance.now() - began) : 200);
  }
  private take(q: Queue): void { this.version = q.version; this.waiting = q.waiting; this.paused = q.paused; this.undos = q.undos; }
  private shown(): void { this.error.value = null; this.phase.value = 'ready'; this.rev.value++; }

  /** `guess`: the order or rest as it will be; taken back when the server refuses. */
  async change(what: string, body: Record<string, unknown>, guess?: (items: QueueItem[]) => QueueItem[]): Promise<Outcome> {
    const had = this.items, hadWaiting = this.waiting;
    this.ac.abort();                                                  // what is being read is from before
    clearTimeout(this.timer); this.timer = 0; this.reading = false;
    this.sending++;
    if (guess) { this.items = guess(had); this.waiting += this.items.length - had.length; this.rev.value++; }
    const before = this.chain;                                         // one after another: each names the version that the one before made
    let done = (): void => {};
    this.chain = new Promise((ok) => { done = ok; });
    await before;
    try {
      const answer = await post<QueueChanged>(`/queue/${what}`, { ...body, ...(this.version && what !== 'pause' && what !== 'resume' ? { version: this.version } : {}) });
      this.version = answer.version; this.waiting = answer.waiting; this.paused = answer.paused;
      return { ok: true, answer };
    } catch (e) {
      const error = asError(e);
      if (this.sending === 1) { this.items = had; this.waiting = hadWaiting; }
      return { ok: false, conflict: error.status === 409, error };
    } finally {
      this.sending--;
      done();
      this.rev.value++;
      this.soon(0);
    }
  }
}
/** A test that moved while the pages were read may stand on two of them. */
function once(all: QueueItem[]): QueueItem[] {
  const seen = new Set<number>();
  return all.filter((x) => !seen.has(x.id) && !!seen.add(x.id));
}
