/**
 * One run's log: what is stored comes by pages, what is written now by the stream, each byte once. Of a log that is too long a window
 * is kept: at first its end, then where somebody asked for a line; `before` is how many lines lie before it.
 */
import { signal } from './signal';
import { LogBuffer } from '../core/logbuf';
import { freshText, unfinished } from '../core/stream';
import type { LogEvent } from '../core/types';
import { asError, get, logPart, type ApiError } from './api';
import { retopic, subscribe } from './live';

const PART = 1 << 20, LIMIT = 16 << 20;

export class LogStore {
  buf = new LogBuffer();
  count = signal(0);
  /** loading: pages are coming; live: the stream brings it; done: complete; part: a window that ends before the log does. */
  state = signal<'loading' | 'live' | 'done' | 'part' | 'error'>('loading');
  before = signal(0);
  error = signal<ApiError | null>(null);
  skipped = signal(0);
  size = signal(0);
  private have = 0;
  /** Where somebody asked the window to begin; null: at the end that fits. */
  private begin: number | null = null;
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
  /** The window anew, so that a line (from 1) is in it; 0: the end of the log again. */
  async around(line: number): Promise<void> {
    const first = Math.max(1, line - 500);
    try {
      const at = line ? (await get<{ items: { line: number; byte: number }[] }>(`/runs/${this.run}/log/lines?line=${first}`)).items[0] : null;
      this.buf.clear(); this.count.value = 0;
      this.begin = at ? at.byte : null;
      this.have = this.skipped.value = at?.byte ?? 0;
      this.before.value = at ? at.line - 1 : 0;
      await this.load();
    } catch (e) { this.error.value = asError(e); }
  }

  private async load(): Promise<void> {
    this.ac.abort();
    const ac = (this.ac = new AbortController());
    this.state.value = 'loading'; this.error.value = null;
    try {
      for (;;) {
        const first = this.have === 0 && this.count.peek() === 0 && this.begin === null;
        let part = await logPart(this.run, `from=${this.have}&max=${PART}`, ac.signal);
        if (first && part.size > LIMIT) {                             // only the end of a log this long
          this.have = this.skipped.value = part.size - LIMIT;
          part = await logPart(this.run, `from=${this.have}&max=${PART}`, ac.signal);
        }
        if (ac.signal.aborted) return;
        const cut = part.complete && part.to >= part.size ? 0 : unfinished(part.bytes);
        const body = cut ? part.bytes.subarray(0, part.bytes.length - cut) : part.bytes;
        this.append(new TextDecoder().decode(body));
        this.have = part.from + body.length;
        this.size.value = Math.max(part.size, this.have);
        if (this.begin !== null && this.have - this.begin > LIMIT && part.to < part.size) { this.state.value = 'part'; retopic(); return; }
        if (part.to >= part.size || !part.bytes.length) {
          if (this.skipped.peek() && this.begin === null) await this.number(ac.signal);
          if (part.complete) this.end(); else { this.state.value = 'live'; retopic(); }
          return;
        }
      }
    } catch (e) {
      if (ac.signal.aborted) return;
      this.error.value = asError(e);
      this.state.value = 'error';
    }
  }
  /** The window began in the middle of the log: which line that is, says the server. */
  private async number(signal: AbortSignal): Promise<void> {
    const last = await get<{ items: { line: number; byte: number }[] }>(`/runs/${this.run}/log/lines?line=-1`, signal).then((l) => l.items[0], (e) => { if (signal.aborted) throw e; });
    if (last && last.byte < this.have) this.before.value = Math.max(0, last.line - this.buf.lines.length - (this.buf.isOpen() ? 1 : 0));
  }
  private take(e: LogEvent): void {
    if (this.state.peek() !== 'live') return;
    const text = freshText(e, this.have);
    if (text === null) { void this.load(); return; }                  // a gap: read on from where we are
    this.have = Math.max(this.have, e.to);
    this.size.value = Math.max(this.size.peek(), this.have);
    if (text) this.append(text);
    if (e.complete) this.end();
  }
  private append(text: string): void { this.buf.append(text); this.count.value = this.buf.lines.length; }
  private end(): void {
    this.buf.finish();
    this.count.value = this.buf.lines.length;
    this.state.value = 'done';
    retopic();
  }
}
