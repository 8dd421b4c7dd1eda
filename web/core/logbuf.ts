import { parseLine } from './ansi';

/** So much of a line is kept, several times what is shown of it. */
const LINE = 1 << 16;
/**
 * Line store for one log: what comes is added below, what is too much goes above. A line has a number that stays as long as the log
 * is not loaded anew: `base` is that of the first. Keeps the partial last line until its newline arrives.
 */
export class LogBuffer {
  lines: string[] = [];
  spans: (number[] | null)[] = [];
  base = 0;
  /** Counts how often everything was forgotten. */
  epoch = 0;
  private kept = 0;
  private tail = '';
  /** The next letter of the last line overwrites it. */
  private back = false;
  private style = 0;
  private listeners = new Set<() => void>();

  append(chunk: string): void {
    let from = 0, nl: number;
    while ((nl = chunk.indexOf('\n', from)) >= 0) {
      this.more(chunk.slice(from, nl));
      const p = parseLine(this.tail, this.style);
      this.style = p.style; this.lines.push(p.text); this.spans.push(p.spans); this.kept += p.text.length;
      this.tail = ''; this.back = false;
      from = nl + 1;
    }
    this.more(chunk.slice(from));
    for (const fn of this.listeners) fn();
  }
  /** More of the last line. What a carriage return overwrites, as progress bars do, and what is too long is forgotten at once. */
  private more(piece: string): void {
    let end = piece.length;
    while (piece[end - 1] === '\r') end--;
    if (end) {
      const cr = piece.lastIndexOf('\r', end - 1);
      if (this.back || cr >= 0) this.tail = '';
      this.tail += piece.slice(cr + 1, Math.min(end, cr + 1 + LINE - this.tail.length));
    }
    if (piece) this.back = end < piece.length;
  }
  /** Characters that are kept. */
  get chars(): number { return this.kept + this.tail.length; }
  /** The log is complete: what has no newline is a line now. */
  finish(): void { if (this.tail || this.back) this.append('\n'); }
  /** Forgets everything, for a log that is loaded anew. */
  clear(): void {
    this.lines = []; this.spans = []; this.tail = ''; this.back = false; this.style = this.base = this.kept = 0; this.epoch++;
    for (const fn of this.listeners) fn();
  }
  /** Keeps the last `lines` lines, and of them no more than `chars` characters need; says how many went. */
  trim(lines: number, chars: number): number {
    let n = Math.max(0, this.lines.length - lines), kept = this.kept;
    for (let i = 0; i < n || (kept > chars && i < this.lines.length - 1); i++) { kept -= this.lines[i].length; n = Math.max(n, i + 1); }
    this.lines.splice(0, n); this.spans.splice(0, n);
    this.base += n; this.kept = kept;
    return n;
  }
  /** The number of the line that comes next. */
  get end(): number { return this.base + this.lines.length; }
  text(line: number): string { return this.lines[line - this.base] ?? ''; }
  onChange(fn: () => void): () => void { this.listeners.add(fn); return () => { this.listeners.delete(fn); }; }

  /** Search in slices so the main thread never blocks longer than `budget` ms. */
  async search(q: string | RegExp, from: number, budget: number, signal: AbortSignal, hit: (line: number) => void): Promise<void> {
    const cs = typeof q === 'string' && q !== q.toLowerCase();       // smart case
    let t = performance.now();
    for (let i = from; i < this.end; i++) {
      const l = this.text(i);
      if (typeof q === 'string' ? (cs ? l : l.toLowerCase()).includes(q) : q.test(l)) hit(i);
      if ((i & 255) === 0 && performance.now() - t > budget) {
        await new Promise((r) => setTimeout(r)); if (signal.aborted) return; t = performance.now();
      }
    }
  }
}

/** A line that a reader of a failed run looks for: a failed example, an error, an exit that is no success. */
export const ERROR_LINE = /^\s*(?:✗|\d+\) )|Failure\/Error|(?:Error|Exception|FAILED)\b|exited with (?:status )?[1-9]|\bfatal:/;
export interface Run { text: string; cls: string; href?: string }
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
/** An address in a text, without what ends a sentence or turns the direction of writing. */
const LINK = /https?:\/\/[^\s<>"'`\u200e\u200f\u202a-\u202e\u2066-\u2069]*[^\s<>"'`\u200e\u200f\u202a-\u202e\u2066-\u2069.,:;!?)\]}]/gi;
/** Cuts a line into runs for rendering, each of one colour, in a hit or not, of one link or none. */
export function runs(text: string, spans: number[] | null, q: string): Run[] {
  const out: Run[] = [], styled = spans ?? [], hits: number[] = [], links: number[] = [];
  if (q) for (let hay = q === q.toLowerCase() ? text.toLowerCase() : text, m = -1; (m = hay.indexOf(q, m < 0 ? 0 : m + q.length)) >= 0;) hits.push(m, m + q.length);
  if (text.includes('://')) for (const m of text.matchAll(LINK)) links.push(m.index, m.index + m[0].length);
  for (let p = 0, s = 0, h = 0, l = 0, end: number; p < text.length; p = end) {
    while (styled[s + 1] <= p) s += 3;
    while (hits[h + 1] <= p) h += 2;
    while (links[l + 1] <= p) l += 2;
    end = text.length;
    const within = (of: number[], i: number): boolean => { const yes = of[i] <= p, to = of[yes ? i + 1 : i]; if (to < end) end = to; return yes; };
    let cls = within(styled, s) ? classFor(styled[s + 2]) : '';
    if (within(hits, h)) cls += ' hit';
    const href = within(links, l) ? text.slice(links[l], links[l + 1]) : undefined;
    out.push({ text: text.slice(p, end), cls, href });
  }
  return out;
}
