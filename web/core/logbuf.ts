import { parseLine } from './ansi';

/** Append-only line store for one log. Keeps the partial last line until its newline arrives. */
export class LogBuffer {
  lines: string[] = [];
  spans: (number[] | null)[] = [];
  private tail = '';
  private style = 0;
  private listeners = new Set<() => void>();

  append(chunk: string): void {
    let data = this.tail + chunk, from = 0, nl: number;
    while ((nl = data.indexOf('\n', from)) >= 0) {
      const p = parseLine(data.slice(from, nl), this.style);
      this.style = p.style; this.lines.push(p.text); this.spans.push(p.spans);
      from = nl + 1;
    }
    this.tail = from < data.length ? data.slice(from) : '';
    for (const fn of this.listeners) fn();
  }
  /** The log is complete: what has no newline is a line now. */
  finish(): void { if (this.tail) this.append('\n'); }
  /** Is there a last line without its newline? */
  isOpen(): boolean { return this.tail !== ''; }
  /** Forgets everything, for a log that is loaded anew. */
  clear(): void {
    this.lines = []; this.spans = []; this.tail = ''; this.style = 0;
    for (const fn of this.listeners) fn();
  }
  onChange(fn: () => void): () => void { this.listeners.add(fn); return () => { this.listeners.delete(fn); }; }

  /** Search in slices so the main thread never blocks longer than `budget` ms. */
  async search(q: string | RegExp, from: number, budget: number, signal: AbortSignal, hit: (line: number) => void): Promise<void> {
    const cs = typeof q === 'string' && q !== q.toLowerCase();       // smart case
    let t = performance.now();
    for (let i = from; i < this.lines.length; i++) {
      const l = this.lines[i];
      if (typeof q === 'string' ? (cs ? l : l.toLowerCase()).includes(q) : q.test(l)) hit(i);
      if ((i & 255) === 0 && performance.now() - t > budget) {
        await new Promise((r) => setTimeout(r)); if (signal.aborted) return; t = performance.now();
      }
    }
  }
}

/** A line that a reader of a failed run looks for: a failed example, an error, an exit that is no success. */
export const ERROR_LINE = /^\s*(?:✗|\d+\) )|Failure\/Error|(?:Error|Exception|FAILED)\b|exited with (?:status )?[1-9]|\bfatal:/;
/** Cuts a line into runs for rendering: text + class list, honouring spans and search marks. */
export interface Run { text: string; cls: string }
/** The page shows sixteen colours, each readable on its surface; the 256 go to the nearest of them. */
export function basic(n: number): number {
  if (n < 16) return n;
  if (n >= 232) return n < 244 ? 8 : 7;
  const r = ((n - 16) / 36) | 0, g = (((n - 16) / 6) | 0) % 6, b = (n - 16) % 6, max = Math.max(r, g, b);
  if (max - Math.min(r, g, b) <= 1) return max < 2 ? 8 : max > 3 ? 15 : 7;
  const on = (c: number): number => (c * 3 >= max * 2 ? 1 : 0);
  return on(r) | (on(g) << 1) | (on(b) << 2);
}
const classCache = new Map<number, string>();
function classFor(style: number): string {
  let c = classCache.get(style);
  if (c === undefined) {
    const f = style & 0x1ff, b = (style >> 9) & 0x1ff, x = style >> 18;
    c = (f ? ` f${basic(f - 1)}` : '') + (b ? ` b${basic(b - 1)}` : '') + (x & 1 ? ' bo' : '') + (x & 2 ? ' di' : '') + (x & 4 ? ' it' : '') + (x & 8 ? ' un' : '') + (x & 16 ? ' iv' : '');
    classCache.set(style, (c = c.trim()));
  }
  return c;
}
export function runs(text: string, spans: number[] | null, q: string): Run[] {
  const out: Run[] = [];
  let pos = 0;
  const emit = (a: number, b: number, cls: string) => {
    if (!q) { if (b > a) out.push({ text: text.slice(a, b), cls }); return; }
    const hay = q === q.toLowerCase() ? text.toLowerCase() : text;
    let p = a, m: number;
    while ((m = hay.indexOf(q, p)) >= 0 && m + q.length <= b) {
      if (m > p) out.push({ text: text.slice(p, m), cls });
      out.push({ text: text.slice(m, m + q.length), cls: cls + ' hit' });
      p = m + q.length;
    }
    if (b > p) out.push({ text: text.slice(p, b), cls });
  };
  if (spans) for (let i = 0; i < spans.length; i += 3) {
    emit(pos, spans[i], ''); emit(spans[i], spans[i + 1], classFor(spans[i + 2])); pos = spans[i + 1];
  }
  emit(pos, text.length, '');
  return out;
}
