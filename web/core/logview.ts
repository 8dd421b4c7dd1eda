/** How a log is laid out: which of its lines are shown, how many rows each takes, what its phases are, when it was printed. */
import type { LogBuffer } from './logbuf';
import type { Heights } from './vwin';

const MAX_COLUMNS = 2000, TAB = 4;
/** What is shown of a line. */
export const cut = (text: string): string => (text.length > MAX_COLUMNS ? `${text.slice(0, MAX_COLUMNS)} …` : text);
/** Letters that are one column wide each, as nearly all lines have no others. */
const PLAIN = /^[ -~\xa0-\xac\xae-\u02ff\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u205e\u2070-\u20cf\u2100-\u2bff]*$/;
const NO_WIDTH = /[\p{M}\p{Cf}]/u;
/** Rows that a line takes when it is wrapped after `cols` columns. What is wider than a letter counts as two: rather a row too many. */
export function rowsOf(line: string, cols: number): number {
  if (line.length * TAB <= cols) return 1;
  const text = cut(line);
  if (PLAIN.test(text)) return Math.max(1, Math.ceil(text.length / cols));
  let rows = 1, x = 0;
  for (const c of text) {
    const code = c.codePointAt(0)!, w = c === '\t' ? TAB - (x % TAB) : code >= 0x300 && NO_WIDTH.test(c) ? 0 : (code >= 0x1100 && code < 0x1160) || code >= 0x2e80 ? 2 : 1;
    if (x + w > cols) { rows++; x = 0; }
    x += w;
  }
  return rows;
}

/** What is shown of a log from top to bottom: all its lines or some of them, each as many rows high as it needs. */
export class Rows implements Heights {
  count = 0;
  private ids: number[] | null = null;
  private tops: number[] | null = null;
  private base = 0;
  private next = 0;
  private fold = 0;
  private key = '';
  private some: number[] | null = null;
  /** `some`: only these lines; `folded`: all but what is inside of these; `cols`: wrapped there, 0 not at all. What is known already is not worked out again. */
  update(buf: LogBuffer, cols: number, some: number[] | null, folded: Phase[]): this {
    const key = `${buf.epoch} ${buf.base} ${cols} ${folded.map((f) => f.at)}`;
    if (key !== this.key || some !== this.some) {
      this.key = key; this.some = some; this.base = this.next = buf.base; this.fold = 0;
      this.ids = some ?? (folded.length ? [] : null);
      this.tops = cols ? [0] : null;
    }
    if (this.ids && !some) {
      while (this.next < buf.end) {
        while (folded[this.fold]?.end <= this.next) this.fold++;
        const f = folded[this.fold];
        if (f && this.next > f.at) this.next = f.end; else this.ids.push(this.next++);
      }
    }
    this.count = this.ids ? this.ids.length : buf.lines.length;
    if (this.tops) for (let k = this.tops.length - 1; k < this.count; k++) this.tops.push(this.tops[k] + rowsOf(buf.text(this.line(k)), cols));
    return this;
  }
  line(k: number): number { return this.ids ? this.ids[k] : this.base + k; }
  /** Where a line is shown, or the one before it. */
  index(line: number): number { return this.ids ? Math.max(0, below(this.ids, line)) : Math.max(0, Math.min(this.count - 1, line - this.base)); }
  top(k: number): number { return this.tops ? this.tops[Math.min(k, this.count)] : k; }
  at(row: number): number { return this.tops ? Math.max(0, below(this.tops, row)) : Math.floor(row); }
}
/** The last place in an ascending list that is not above `n`; -1: there is none. */
export function below(list: number[], n: number): number {
  let lo = 0, hi = list.length;
  while (lo < hi) { const mid = (lo + hi) >> 1; if (list[mid] <= n) lo = mid + 1; else hi = mid; }
  return lo - 1;
}

/** What wrata did before the script: its line at `at` tells of it, what it printed goes on to `end`. */
export interface Phase { at: number; end: number; passed: boolean }
/** Lines that wrata itself put into a log. */
export const OWN = /^\[wrata: /;
/** So many phases are told of. */
const PHASES = 100;
const BEGINS = /^.wrata: (prepare: step \d|\S+ fetches image )/, ENDS = /^.wrata: (prepared in |in a container of )/, FAILS = /^.wrata: step '/;
/** Steps of `prepare`, and the fetching of an image: those that are over. `own`: the lines that fit OWN. After them what looks like one is a script's. */
export function phases(own: number[], text: (line: number) => string): Phase[] {
  const out: Phase[] = [];
  let open: Phase | null = null, last = own[0];
  for (const end of own) {
    if (out.length === PHASES || (!open && end > last + 1 && text(last + 1))) break;
    last = end;
    const t = text(end), begins = BEGINS.test(t), failed = FAILS.test(t);
    if (open && (begins || failed || ENDS.test(t))) { out.push({ ...open, end, passed: !failed }); open = null; }
    if (begins) open = { at: end, end, passed: false };
  }
  return out;
}
/** Nothing is hidden that failed or has an error in it. */
export const foldable = (all: Phase[], errors: number[]): Phase[] => all.filter((p) => p.passed && p.end - p.at > 1 && below(errors, p.end - 1) === below(errors, p.at));

/** When lines were printed, as the server tells: [line, ms], each for the lines up to the next. */
export class Times {
  private lines: number[] = [];
  private ms: number[] = [];
  /** Times of lines up to this one are known. */
  to = 0;
  /** The pairs from a line on; what was known of those lines goes, and when it is much what is known of those before `first`. */
  add(pairs: [number, number][], to: number, first: number): void {
    const gone = below(this.lines, first);
    if (gone > 9999) { this.lines.splice(0, gone); this.ms.splice(0, gone); }
    for (const [line, ms] of pairs) {
      while (this.lines.length && this.lines[this.lines.length - 1] >= line) { this.lines.pop(); this.ms.pop(); }
      this.lines.push(line); this.ms.push(ms);
    }
    this.to = Math.max(this.to, to);
  }
  at(line: number): number | null { const i = line > this.to ? -1 : below(this.lines, line); return i < 0 ? null : this.ms[i]; }
}
