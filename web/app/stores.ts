/** What each screen knows: a snapshot that live events keep true. Big tables live outside signals; a signal counts changes. */
import { effect, signal, type Signal } from './signal';
import type { Artifact, Board, Causes, Example, Launch, Run, Server, Status, Test } from '../core/types';
import { asError, get, pages, type ApiError } from './api';
import { link, subscribe, type LiveEvent } from './live';

export type Phase = 'loading' | 'ready' | 'error';
export abstract class Store {
  phase: Signal<Phase> = signal<Phase>('loading');
  error: Signal<ApiError | null> = signal<ApiError | null>(null);
  rev = signal(0);
  private ac = new AbortController();
  private leave: (() => void) | null = null;
  private asked = false;

  protected abstract topics(): string[];
  protected abstract take(e: LiveEvent): boolean;
  protected abstract fetch(signal: AbortSignal): Promise<void>;
  protected stopped(): void { /* what a screen has beside its snapshot */ }

  start(): () => void {
    this.leave = subscribe({
      topics: () => this.topics(),
      on: (batch) => { let hit = false; for (const e of batch) hit = this.take(e) || hit; if (hit) this.rev.value++; },
      ready: () => void this.load(),
    });
    // The stream opens first, so that nothing falls between it and the snapshot; but a page without it is still a page.
    const late = setTimeout(() => { if (this.phase.peek() === 'loading' && !this.asked) void this.load(); }, 500);
    const back = effect(() => { if (link.value === 'live' && this.error.peek() && this.error.peek()!.status !== 404) void this.load(); });
    return () => { clearTimeout(late); back(); this.leave?.(); this.ac.abort(); this.stopped(); };
  }
  async load(): Promise<void> {
    this.asked = true;
    this.ac.abort();
    const ac = (this.ac = new AbortController());
    try {
      await this.fetch(ac.signal);
      if (ac.signal.aborted) return;
      this.phase.value = 'ready'; this.error.value = null; this.rev.value++;
    } catch (e) {
      if (ac.signal.aborted) return;
      this.error.value = asError(e);
      if (this.phase.peek() !== 'ready' || this.error.value.status === 404 || this.error.value.status === 403) this.phase.value = 'error';
    }
  }
  retry = (): void => { this.phase.value = 'loading'; void this.load(); };
}

/** A table whose rows may come from a snapshot or, newer, from the stream. */
class Table<T> {
  rows = new Map<number | string, T>();
  private touched: Set<number | string> | null = null;
  /** From here on, what the stream brings is newer than the snapshot being loaded. */
  begin(): void { this.touched = new Set(); }
  event(id: number | string, row: T): void { this.rows.set(id, row); this.touched?.add(id); }
  gone(id: number | string): void { this.rows.delete(id); this.touched?.add(id); }
  snapshot(id: number | string, row: T): void { if (!this.touched?.has(id)) this.rows.set(id, row); }
  keep(ids: Set<number | string>): void { for (const id of this.rows.keys()) if (!ids.has(id) && !this.touched?.has(id)) this.rows.delete(id); }
}

export class BoardStore extends Store {
  servers = new Table<Server>();
  launches = new Table<Launch>();
  status: Status | null = null;
  protected topics(): string[] { return ['servers', 'launches']; }
  protected async fetch(s: AbortSignal): Promise<void> {
    this.servers.begin(); this.launches.begin();
    const b = await get<Board>('/board', s);
    this.status = b.status;
    for (const x of b.servers) this.servers.snapshot(x.id, x);
    for (const x of b.launches) this.launches.snapshot(x.id, x);
    this.servers.keep(new Set(b.servers.map((x) => x.id)));
    this.launches.keep(new Set(b.launches.map((x) => x.id)));
  }
  protected take(e: LiveEvent): boolean {
    if (e.type === 'server') this.servers.event((e.data as Server).id, e.data as Server);
    else if (e.type === 'server-removed') this.servers.gone((e.data as { id: number }).id);
    else if (e.type === 'launch') this.launches.event((e.data as Launch).id, e.data as Launch);
    else return false;
    return true;
  }
}

/** All servers, live: what the board shows of them and more. */
export class ServersStore extends Store {
  servers = new Table<Server>();
  protected topics(): string[] { return ['servers']; }
  protected async fetch(s: AbortSignal): Promise<void> {
    this.servers.begin();
    const { items } = await get<{ items: Server[] }>('/servers', s);
    for (const x of items) this.servers.snapshot(x.id, x);
    this.servers.keep(new Set(items.map((x) => x.id)));
  }
  protected take(e: LiveEvent): boolean {
    if (e.type === 'server') this.servers.event((e.data as Server).id, e.data as Server);
    else if (e.type === 'server-removed') this.servers.gone((e.data as { id: number }).id);
    else return false;
    return true;
  }
  /** What an operation answered: newer than what is known. */
  put(all: Server[]): void { for (const s of all) this.servers.event(s.id, s); this.rev.value++; }
}

const MAX_ARTIFACTS = 2000;
/** The files of a run or a launch: few events say that there are others, so they are listed anew, at most once a second. */
class Kept {
  items: Artifact[] = [];
  more = false;
  private ac = new AbortController();
  private timer = 0;
  constructor(private readonly path: () => string, private readonly told: () => void) {}
  soon(): void { if (!this.timer) this.timer = setTimeout(() => { this.timer = 0; void this.load().catch(() => {}); }, 300) as unknown as number; }
  async load(signal?: AbortSignal): Promise<void> {
    this.ac.abort();
    const ac = (this.ac = new AbortController()), items: Artifact[] = [];
    signal?.addEventListener('abort', () => ac.abort());
    await pages<Artifact>(this.path(), ac.signal, (page) => { items.push(...page); return items.length < MAX_ARTIFACTS; });
    if (ac.signal.aborted) return;
    this.items = items; this.more = items.length >= MAX_ARTIFACTS;
    this.told();
  }
  stop(): void { clearTimeout(this.timer); this.timer = 0; this.ac.abort(); }
  of(x: Example): Artifact[] { return this.items.filter((a) => a.run === x.run && a.example === x.seq); }
}

const MAX_FAILURES = 2000;
export class LaunchStore extends Store {
  launch: Launch | null = null;
  tests = new Table<Test>();
  runs = new Table<Run>();                                            // by test: its newest run
  failures = new Table<Example>();
  every = new Table<Run>();                                           // also those that came before the newest
  causes: Causes | null = null;
  /** Its runs, failures and what caused them are known: they stand where they will stay. */
  whole = false;
  private hasRuns = false;
  private relist = 0;
  more = false;
  kept = new Kept(() => `/launches/${this.id}/artifacts`, () => { this.rev.value++; });
  constructor(readonly id: number) { super(); }
  protected topics(): string[] { return [`launch:${this.id}`]; }
  protected stopped(): void { this.kept.stop(); clearTimeout(this.relist); }
  private newestRun(r: Run, put: (id: number, r: Run) => void): void {
    const had = this.runs.rows.get(r.test);
    if (!had || had.id <= r.id) put(r.test, r);
  }
  protected async fetch(s: AbortSignal): Promise<void> {
    let touched = false;
    this.onLaunch = () => { touched = true; };
    for (const t of [this.tests, this.runs, this.failures, this.every]) t.begin();
    const l = await get<Launch>(`/launches/${this.id}`, s);
    if (!touched) this.launch = l;
    this.phase.value = this.phase.peek() === 'error' ? 'loading' : this.phase.peek();
    const seen = (): void => { this.phase.value = 'ready'; this.rev.value++; };
    await Promise.all([
      Promise.all([
        pages<Example>(`/launches/${this.id}/examples?status=failed,error`, s, (items) => {
          for (const x of items) this.failures.snapshot(failureKey(x), x);
          this.more = this.failures.rows.size >= MAX_FAILURES;
          return !this.more;
        }),
        get<Causes>(`/launches/${this.id}/causes`, s).then((c) => { this.causes = c; }, (e) => { if (s.aborted) throw e; }),
      ]).then(() => { this.whole = true; this.rev.value++; }),
      pages<Test>(`/launches/${this.id}/tests`, s, (items) => { for (const x of items) this.tests.snapshot(x.id, x); if (this.phase.peek() !== 'ready') seen(); }),
      pages<Run>(`/runs?launch=${this.id}`, s, (items) => { for (const x of items) { this.newestRun(x, (id, r) => this.runs.snapshot(id, r)); this.every.snapshot(x.id, x); } }),
    ]);
    this.hasRuns = true;
    for (const [key, x] of this.failures.rows) if (!this.every.rows.has(x.run)) this.failures.gone(key);   // another tab follows its launch
    seen();
    if ([...this.failures.rows.values()].some((x) => x.artifacts?.length)) await this.kept.load(s);
  }
  private onLaunch: () => void = () => {};
  protected take(e: LiveEvent): boolean {
    if (e.type === 'launch') { if ((e.data as Launch).id !== this.id) return false; this.launch = e.data as Launch; this.onLaunch(); return true; }
    const of = (e.data as { launch?: number }).launch;
    if (of !== this.id && e.type !== 'example') return false;
    if (e.type === 'causes') { this.causes = e.data as Causes; return true; }
    if (e.type === 'artifacts') { this.kept.soon(); return false; }
    if (e.type === 'tests') { this.relist ||= setTimeout(() => { this.relist = 0; void this.load(); }, 300) as unknown as number; return false; }   // many changed at once
    if (e.type === 'test') this.tests.event((e.data as Test).id, e.data as Test);
    else if (e.type === 'run') {
      const r = e.data as Run;
      // Which example a file belongs to is known when its run is over.
      if (r.state === 'done' && this.kept.items.some((a) => a.run === r.id)) this.kept.soon();
      this.newestRun(r, (id, x) => this.runs.event(id, x));
      this.every.event(r.id, r);
    }
    else if (e.type === 'example') {
      const x = e.data as Example;
      if ((x.status !== 'failed' && x.status !== 'error') || (this.hasRuns && !this.every.rows.has(x.run))) return false;
      this.failures.event(failureKey(x), x);
    } else return false;
    return true;
  }
}
export const failureKey = (x: Example): string => `${x.run}.${x.seq}`;

export class RunStore extends Store {
  run: Run | null = null;
  launch: Launch | null = null;
  examples = new Table<Example>();
  kept = new Kept(() => `/runs/${this.id}/artifacts`, () => { this.rev.value++; });
  constructor(readonly id: number) { super(); }
  protected topics(): string[] { return [`run:${this.id}`]; }
  protected stopped(): void { this.kept.stop(); }
  private onRun: () => void = () => {};
  protected async fetch(s: AbortSignal): Promise<void> {
    let touched = false;
    this.onRun = () => { touched = true; };
    this.examples.begin();
    const r = await get<Run>(`/runs/${this.id}`, s);
    if (!touched) this.run = r;
    this.phase.value = 'ready'; this.rev.value++;
    await pages<Example>(`/runs/${this.id}/examples`, s, (items) => {
      for (const x of items) this.examples.snapshot(x.seq, x);
      this.rev.value++;
    });
    this.launch = await get<Launch>(`/launches/${r.launch}`, s).catch((e) => { if (s.aborted) throw e; return null; });
    await this.kept.load(s);
  }
  protected take(e: LiveEvent): boolean {
    if (e.type === 'artifacts' && (e.data as { run: number }).run === this.id) { this.kept.soon(); return false; }
    if (e.type === 'run' && (e.data as Run).id === this.id) {
      this.run = e.data as Run;
      this.onRun();
      if (this.run.state === 'done' && this.kept.items.length) this.kept.soon();   // the examples they belong to are known now
      return true;
    }
    if (e.type === 'example' && (e.data as Example).run === this.id) { this.examples.event((e.data as Example).seq, e.data as Example); return true; }
    return false;
  }
}
