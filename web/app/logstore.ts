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
  /** The line, from 1, that this window is for; and what was asked for and is not begun. */
  private want = 0;
  private asked: [line: number, lead: number] | null = null;
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
  retry = (): void => void (this.asked ? this.around(...this.asked) : this.load());
  /** The window anew, so that a line (from 1) is in it, and up to `lead` lines before that; 0: the end of the log again. False: it did not come to it. */
  async around(line: number, lead = 500): Promise<boolean> {
    const { signal } = this.anew(), ask = (n: number) => get<Lines>(`/runs/${this.run}/log/lines?line=${n}&lines=1`, signal);
    this.asked = [line, lead];
    try {
      let l = line ? await ask(line) : null;
      if (l && !l.items.length) l = await ask(-1);                     // it has no such line: its last
      let at = l?.items[0];
      const to = at;
      for (let n = Math.min(lead, at ? at.line - 1 : 0), far = 0; to && n > 0; n = Math.floor((n * LIMIT) / 2 / far)) {
        at = (await ask(to.line - n)).items[0];
        far = to.byte - at.byte;
        if (far <= LIMIT * 0.75) break;                                // else the window would be full before it comes to the line
        at = to;
      }
      if (signal.aborted) return false;
      this.asked = null;
      this.buf.clear(); this.end.value = 0; this.times = new Times();
      this.lines = l?.lines ?? 0;
      this.begin = at ? at.byte : null;
      this.want = to?.line ?? 0;
      this.fresh = true;
      this.have = this.skipped.value = at?.byte ?? 0;
      this.before.value = at ? at.line - 1 : 0;
    } catch (e) { this.failed(signal, e); return false; }
    const loading = this.load(), { ac } = this;
    await loading;
    return !ac.signal.aborted && !this.error.peek();
  }
  earlier(): Promise<boolean> { return this.around(this.before.peek(), KEEP - 500); }
  /** The window does not go to the end of the log, or will not. */
  away(): boolean { return this.begin !== null || this.asked !== null; }
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

  /** Whatever is being loaded is not wanted any more. */
  private anew(): AbortController {
    this.ac.abort();
    this.state.value = 'loading'; this.error.value = null;
    return (this.ac = new AbortController());
  }
  private failed(signal: AbortSignal, e: unknown): void {
    if (signal.aborted) return;
    this.error.value = asError(e);
    this.state.value = 'error';
  }
  private async load(): Promise<void> {
    const { signal } = this.anew();
    try {
      for (;;) {
        const first = this.have === 0 && this.end.peek() === 0 && this.begin === null, next = () => logPart(this.run, `from=${this.have}&max=${PART}`, signal);
        let part = await next();
        if (first && part.size > LIMIT) {                             // only the end of a log this long
          const l = await this.last(part.size, signal);
          if (signal.aborted) return;
          this.have = this.skipped.value = Math.max(l.byte, part.size - 2 * LIMIT);
          this.before.value = l.line - 1;
          part = await next();
        }
        if (signal.aborted) return;
        const cut = part.complete && part.to >= part.size ? 0 : unfinished(part.bytes);
        const body = cut ? part.bytes.subarray(0, part.bytes.length - cut) : part.bytes;
        this.append(new TextDecoder().decode(body));
        if (this.fresh) this.seen = this.buf.end;
        this.have = part.from + body.length;
        this.size.value = Math.max(part.size, this.have);
        if (part.to < part.size && (this.begin !== null ? this.enough(this.have - this.begin) : this.held && !this.fresh && this.full(2))) { this.part(); return; }
        if (part.to >= part.size || !part.bytes.length) {
          this.begin = null; this.fresh = false;
          if (part.complete) this.finish(); else { this.state.value = 'live'; retopic(); }
          return;
        }
      }
    } catch (e) { this.failed(signal, e); }
  }
  /** Where a window at the end begins: as many lines as are kept, or as bytes allow. Twice as much is only one line that is huge. */
  private async last(size: number, signal: AbortSignal): Promise<Lines['items'][0]> {
    for (let n = KEEP; ;) {
      const l = (await get<Lines>(`/runs/${this.run}/log/lines?line=-${n}&lines=1`, signal)).items[0], much = size - l.byte;
      if (n === 1 || much <= LIMIT * (n < KEEP ? 2 : 1)) return l;
      n = Math.max(1, Math.floor((n * LIMIT) / much));
    }
  }
  /** A window that does not end where the log does, of so many bytes, may end. */
  private enough(bytes: number): boolean {
    return (bytes > LIMIT || this.full(1)) && (this.before.peek() + this.buf.lines.length >= this.want || bytes > 2 * LIMIT);
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
