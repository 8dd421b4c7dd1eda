/**
 * One run's log: what is stored comes by pages, what is written now by the stream, each byte once. Of a log that is too long a window
 * is kept: at first its end, then where somebody asked for a line; `before` is how many lines lie before it. While lines come, those
 * above go, but not from under somebody who reads (`held`): then the window ends where it is full.
 */
import { signal } from './signal';
import { LogBuffer } from '../core/logbuf';
import { Times } from '../core/logview';
import { freshText, unfinished } from '../core/stream';
import type { LogEvent } from '../core/types';
import { asError, get, logPart, type ApiError } from './api';
import { retopic, subscribe } from './live';

const PART = 1 << 20, LIMIT = 16 << 20, KEEP = 200_000;
interface Printed { times: [number, number][]; next_line: number | null }
interface Lines { items: { line: number; byte: number }[]; lines: number }

export class LogStore {
  buf = new LogBuffer();
  times = new Times();
  /** When the first line of the log was printed. */
  began = 0;
  /** The number of the line that comes next, as the buffer counts. */
  end = signal(0);
  /** loading: pages are coming; live: the stream brings it; done: complete; part: a window that ends before the log does. */
  state = signal<'loading' | 'live' | 'done' | 'part' | 'error'>('loading');
  before = signal(0);
  /** Lines of the whole log, where the window ends before it. */
  lines = 0;
  held = false;
  /** Up to here somebody saw it, or it was there when it was opened. */
  seen = 0;
  error = signal<ApiError | null>(null);
  skipped = signal(0);
  size = signal(0);
  private have = 0;
  /** Where somebody asked the window to begin; null: at the end that fits. */
  private begin: number | null = null;
  /** Nothing of this window was read yet. */
  private fresh = true;
  private ac = new AbortController();
  private leave: (() => void) | null = null;
  constructor(readonly run: number) {}

  start(): () => void {
    this.leave = subscribe({
      topics: () => (this.state.peek() === 'live' ? [`log:${this.run}@${this.have}`] : []),
      on: (batch) => { for (const e of batch) if (e.type === 'log' && (e.data as LogEvent).run === this.run) this.take(e.data as LogEvent); },
      ready: () => {},
    });
    void this.load();
    return () => { this.leave?.(); this.ac.abort(); };
  }
  retry = (): void => void this.load();
  /** The window anew, so that a line (from 1) is in it, and `lead` lines before that; 0: the end of the log again. */
  async around(line: number, lead = 500): Promise<void> {
    try {
      const l = line ? await get<Lines>(`/runs/${this.run}/log/lines?line=${Math.max(1, line - lead)}&lines=1`) : null, at = l?.items[0];
      this.buf.clear(); this.end.value = 0; this.times = new Times();
      this.lines = l?.lines ?? 0;
      this.begin = at ? at.byte : null;
      this.fresh = true;
      this.have = this.skipped.value = at?.byte ?? 0;
      this.before.value = at ? at.line - 1 : 0;
      await this.load();
    } catch (e) { this.error.value = asError(e); }
  }
  earlier(): Promise<void> { return this.around(this.before.peek(), KEEP - 500); }
  /** Lines before the first that the buffer counted. */
  zero(): number { return this.before.peek() - this.buf.base; }
  /** Asks for times of the lines that are here and have none yet; false: all have. */
  async time(signal: AbortSignal): Promise<boolean> {
    const t = this.times, zero = this.zero(), first = zero + this.buf.base + 1, last = zero + this.buf.end, ask = (from: number, lines: number) => get<Printed>(`/runs/${this.run}/log/times?from_line=${from}&lines=${lines}`, signal);
    if (Math.max(t.to + 1, first) > last) return false;
    this.began ||= (await ask(1, 1)).times[0]?.[1] ?? 0;
    for (let from: number | null = Math.max(t.to + 1, first); from !== null;) {
      const l: Printed = await ask(from, last - from + 1);
      from = l.next_line;
      t.add(l.times, from === null ? last : from - 1, first);
    }
    return true;
  }

  private async load(): Promise<void> {
    this.ac.abort();
    const ac = (this.ac = new AbortController());
    this.state.value = 'loading'; this.error.value = null;
    try {
      for (;;) {
        const first = this.have === 0 && this.end.peek() === 0 && this.begin === null;
        let part = await logPart(this.run, `from=${this.have}&max=${PART}`, ac.signal);
        if (first && part.size > LIMIT) {                             // only the end of a log this long
          await this.last(part.size, ac.signal);
          part = await logPart(this.run, `from=${this.have}&max=${PART}`, ac.signal);
        }
        if (ac.signal.aborted) return;
        const cut = part.complete && part.to >= part.size ? 0 : unfinished(part.bytes);
        const body = cut ? part.bytes.subarray(0, part.bytes.length - cut) : part.bytes;
        this.append(new TextDecoder().decode(body));
        this.seen = this.buf.end;
        this.have = part.from + body.length;
        this.size.value = Math.max(part.size, this.have);
        if (part.to < part.size && (this.begin !== null ? this.full(1) : this.held && !this.fresh && this.full(2))) { this.part(); return; }
        if (part.to >= part.size || !part.bytes.length) {
          this.begin = null; this.fresh = false;
          if (part.complete) this.finish(); else { this.state.value = 'live'; retopic(); }
          return;
        }
      }
    } catch (e) {
      if (ac.signal.aborted) return;
      this.error.value = asError(e);
      this.state.value = 'error';
    }
  }
  /** Where a window at the end begins: as many lines as are kept, or as bytes allow; in the middle of a line only when it is huge. */
  private async last(size: number, signal: AbortSignal): Promise<void> {
    const at = async (lines: number) => (await get<Lines>(`/runs/${this.run}/log/lines?line=-${lines}&lines=1`, signal)).items[0];
    let l = await at(KEEP);
    if (size - l.byte > LIMIT) l = await at(Math.ceil((KEEP * LIMIT) / (size - l.byte)));
    this.have = this.skipped.value = Math.max(l.byte, size - 2 * LIMIT);
    this.before.value = l.line - 1;
  }
  private take(e: LogEvent): void {
    if (this.state.peek() !== 'live') return;
    const text = freshText(e, this.have);
    if (text === null) { void this.load(); return; }                  // a gap: read on from where we are
    this.have = Math.max(this.have, e.to);
    this.size.value = Math.max(this.size.peek(), this.have);
    if (text) this.append(text);
    if (e.complete) this.finish();
    else if (this.held && this.full(2)) this.part();
  }
  private append(text: string): void {
    const b = this.buf;
    b.append(text);
    if (this.begin === null && (this.fresh || !this.held) && this.full(1.1)) { this.before.value += b.trim(KEEP, LIMIT); this.skipped.value ||= 1; }
    this.end.value = b.end;
  }
  private full(times: number): boolean { return this.buf.lines.length > KEEP * times || this.buf.chars > LIMIT * times; }
  private part(): void { this.lines = Math.max(this.lines, this.before.peek() + this.buf.lines.length); this.state.value = 'part'; retopic(); }
  private finish(): void {
    this.buf.finish();
    this.end.value = this.buf.end;
    this.state.value = 'done';
    retopic();
  }
}
