import type { ExampleCounts, Health, Launch, Outcome, Run, Server, Test, TestCounts } from './types';

/** A state as it is shown: the shape carries it, the word names it, the tone only repeats it. */
export interface Face { shape: string; word: string; tone: Tone }
export type Tone = 'pass' | 'fail' | 'pend' | 'run' | 'boot' | 'off';

const RING = 'M7 1.8a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 7 1.8z';
export const SHAPES: Record<string, string> = {
  passed: 'M2.2 7.4 5.6 10.8 12 3.6',
  failed: 'M7 .9 13.1 7 7 13.1.9 7zM5.3 5.3l3.4 3.4M8.7 5.3 5.3 8.7',
  error: 'M7 1.4 13.2 12.4H.8zM7 5.4v3.2M7 10.5v.1',
  no_tests: `${RING}M3.5 10.5l7-7`,
  timed_out: `${RING}M7 4v3.2l2.2 1.4`,
  stopped: 'M3 3h8v8H3z',
  infrastructure: 'M1.5 2.2h11v9.6h-11zM1.5 7h11',
  waiting: 'M2.8 7v.1M7 7v.1M11.2 7v.1',
  running: 'M3.5 2.2v9.6L11.8 7z',
  stopping: 'M3 3h8v8H3zM5.5 5.5h3v3h-3z',
  preparing: 'M7 1.8a5.2 5.2 0 0 1 0 10.4zM7 1.8a5.2 5.2 0 0 0 0 10.4',
  lost: 'M7 1.6v7M7 12v.1',
  idle: RING,
  offline: 'M2.5 7h9',
  pending: 'M4.6 2.5v9M9.4 2.5v9',
};
const face = (key: string, word: string, tone: Tone): Face => ({ shape: SHAPES[key], word, tone });

const OUTCOMES: Record<Outcome, Face> = {
  passed: face('passed', 'passed', 'pass'),
  failed: face('failed', 'failed', 'fail'),
  error: face('error', 'error outside examples', 'fail'),
  no_tests: face('no_tests', 'no tests executed', 'pend'),
  timed_out: face('timed_out', 'timed out', 'fail'),
  stopped: face('stopped', 'stopped', 'off'),
  infrastructure: face('infrastructure', 'infrastructure', 'fail'),
};
const RUNNING = face('running', 'running', 'run');
const STOPPING = face('stopping', 'stopping', 'pend');
const PREPARING = face('preparing', 'preparing', 'boot');
const UNKNOWN = face('lost', 'unknown', 'off');

export const outcomeFace = (o: Outcome): Face => OUTCOMES[o] ?? { ...UNKNOWN, word: String(o) };
export function launchFace(l: Pick<Launch, 'state' | 'outcome' | 'tests'>): Face {
  if (l.state === 'done') return l.outcome ? outcomeFace(l.outcome) : UNKNOWN;
  if (l.state === 'stopping') return STOPPING;
  return bad(l.tests) ? { ...SHAPE_FAILING, word: 'running, with failures' } : RUNNING;
}
const SHAPE_FAILING: Face = face('failed', 'running, with failures', 'fail');
export function testFace(t: Pick<Test, 'state' | 'outcome'>): Face {
  if (t.state === 'done') return t.outcome ? outcomeFace(t.outcome) : UNKNOWN;
  return t.state === 'running' ? RUNNING : face('waiting', 'waiting', 'off');
}
export function runFace(r: Pick<Run, 'state' | 'outcome'> & { reason?: string }): Face {
  if (r.outcome) return outcomeFace(r.outcome);
  if (r.state === 'assigned') return face('waiting', 'assigned', 'boot');
  if (r.state === 'preparing') return PREPARING;
  if (r.state === 'stopping') return STOPPING;
  if (r.state === 'lost') return r.reason?.startsWith('taken back') ? face('stopped', 'taken back', 'off') : face('lost', 'lost', 'fail');  // a queue that was paused: nothing went wrong
  return RUNNING;
}
export function serverFace(s: Pick<Server, 'link' | 'running' | 'sick' | 'maintenance'> & { status?: string }): Face {
  if (s.status === 'creating') return face('preparing', 'being made', 'boot');
  if (s.status === 'destroying') return face('stopping', 'being destroyed', 'pend');
  if (s.status === 'destroyed') return face('offline', 'off', 'off');
  if (s.sick) return face('lost', 'taken out', 'fail');
  if (s.link === 'lost') return face('lost', 'lost', 'fail');
  if (s.link === 'offline') return face('offline', 'offline', 'off');
  if (s.link === 'connecting') return face('preparing', 'connecting', 'boot');
  if (s.maintenance) return face('idle', 'maintenance', 'off');
  return s.running.length ? RUNNING : face('idle', 'idle', 'off');
}
const LOW_BYTES = 1024 ** 3, SKEW_MS = 5000;
/** What of its machine somebody should look at; empty when nothing is. */
export function healthNotes(h: Health | null | undefined): string[] {
  const notes: string[] = [];
  for (const d of h ? [h.disk, h.tmp] : [])
    if (d && d.free_bytes < LOW_BYTES && d.free_bytes < d.total_bytes / 10) notes.push(`${Math.floor(d.free_bytes / 1024 ** 2)} MiB free in ${d.path}`);
  if (h && h.skew_ms !== null && Math.abs(h.skew_ms) > SKEW_MS + (h.skew_error_ms ?? 0))
    notes.push(`its clock is ${(Math.abs(h.skew_ms) / 1000).toFixed(1)} s ${h.skew_ms < 0 ? 'behind' : 'ahead'}`);
  return notes;
}
export function exampleFace(status: string): Face {
  if (status === 'pending') return face('pending', 'pending', 'pend');
  if (status === 'error') return face('error', 'error', 'fail');
  return status === 'failed' ? OUTCOMES.failed : OUTCOMES.passed;
}

/** Tests that did not end as they should. */
export const bad = (t: TestCounts): number => t.failed + t.error + t.timed_out + t.infrastructure + t.no_tests;
export const ended = (t: TestCounts): number => t.total - t.waiting - t.running;
export const doneExamples = (e: ExampleCounts): number => e.passed + e.failed + e.pending;
export const isBad = (o: Outcome | null): boolean => o !== null && o !== 'passed' && o !== 'stopped';
export const live = (l: Launch): boolean => l.state !== 'done';

export function sum(ls: Iterable<Launch>): { tests: TestCounts; examples: ExampleCounts; eta: number | null } {
  const tests: TestCounts = { total: 0, waiting: 0, running: 0, passed: 0, failed: 0, error: 0, no_tests: 0, timed_out: 0, stopped: 0, infrastructure: 0 };
  const examples: ExampleCounts = { discovered: 0, passed: 0, failed: 0, pending: 0, not_run: 0, errors: 0 };
  let eta: number | null = 0;
  for (const l of ls) {
    for (const k of Object.keys(tests) as (keyof TestCounts)[]) tests[k] += l.tests[k];
    for (const k of Object.keys(examples) as (keyof ExampleCounts)[]) examples[k] += l.examples[k] ?? 0;
    eta = eta === null || l.eta_ms === null ? null : Math.max(eta, l.eta_ms);
  }
  return { tests, examples, eta };
}

/** Custom properties of one progress bar: a single element with gradient stops, so an update never lays out. */
export function barVars(pass: number, pend: number, fail: number, total: number): Record<string, string> {
  const p = (n: number): string => `${total ? Math.min(100, (n / total) * 100).toFixed(2) : '0'}%`;
  return {
    '--a': fail ? `max(4px, ${p(fail)})` : '0px',
    '--b': fail || pend ? `max(${fail ? 5 : 0}px, ${p(fail + pend)})` : '0px',
    '--c': p(fail + pend + pass), '--ag': fail ? '1px' : '0px', '--bg1': pend ? '1px' : '0px',
  };
}

/** Server names as people count: qa-2 before qa-10. */
const collator = new Intl.Collator('en', { numeric: true });
export const byName = (a: { name: string }, b: { name: string }): number => collator.compare(a.name, b.name);

/** Backtrace lines of the project first; the others are what a reader opens last. */
export const isProjectLine = (l: string): boolean => (l.startsWith('./') || !/^\//.test(l)) && !/(^|\/)(vendor\/bundle|gems|node_modules)\//.test(l);
