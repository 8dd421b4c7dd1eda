/**
 * One pass over a line: returns text without escape sequences plus style spans.
 * Style survives from line to line, so the caller passes the running style in and gets it back.
 * Spans are a flat number list [start, end, style, start, end, style, ...]; null when the line is plain.
 * A style is one integer: fg(0..256) | bg<<9 | flags<<18. 0 = default.
 */
export const BOLD = 1, DIM = 2, ITALIC = 4, UNDER = 8, INVERSE = 16;
export interface Parsed { text: string; spans: number[] | null; style: number }

const ESC = 27;
const fg = (s: number) => s & 0x1ff, bg = (s: number) => (s >> 9) & 0x1ff, fl = (s: number) => s >> 18;
const mk = (f: number, b: number, x: number) => f | (b << 9) | (x << 18);
export const styleFg = fg, styleBg = bg, styleFlags = fl;

function rgb256(r: number, g: number, b: number): number {
  const q = (v: number) => (v < 48 ? 0 : v < 115 ? 1 : Math.min(5, ((v - 35) / 40) | 0));
  return 16 + 36 * q(r) + 6 * q(g) + q(b);
}

function sgr(style: number, p: number[]): number {
  let f = fg(style), b = bg(style), x = fl(style);
  for (let i = 0; i < p.length; i++) {
    const n = p[i];
    if (n === 0) { f = b = x = 0; }
    else if (n === 1) x |= BOLD; else if (n === 2) x |= DIM; else if (n === 3) x |= ITALIC;
    else if (n === 4) x |= UNDER; else if (n === 7) x |= INVERSE;
    else if (n === 22) x &= ~(BOLD | DIM); else if (n === 23) x &= ~ITALIC;
    else if (n === 24) x &= ~UNDER; else if (n === 27) x &= ~INVERSE;
    else if (n >= 30 && n <= 37) f = n - 29; else if (n === 39) f = 0;
    else if (n >= 40 && n <= 47) b = n - 39; else if (n === 49) b = 0;
    else if (n >= 90 && n <= 97) f = n - 81; else if (n >= 100 && n <= 107) b = n - 91;
    else if (n === 38 || n === 48) {
      let c = 0;
      if (p[i + 1] === 5) { c = ((p[i + 2] ?? 0) & 255) + 1; i += 2; }
      else if (p[i + 1] === 2) { c = rgb256(p[i + 2] ?? 0, p[i + 3] ?? 0, p[i + 4] ?? 0) + 1; i += 4; }
      if (n === 38) f = c; else b = c;
    }
  }
  return mk(f, b, x);
}

export function parseLine(raw: string, style: number): Parsed {
  if (raw.indexOf('\x1b') < 0) return { text: raw, spans: style && raw ? [0, raw.length, style] : null, style };
  let out = '', spans: number[] | null = null, i = 0, last = 0;
  const push = (to: number) => {
    if (to > last) {
      const a = out.length; out += raw.slice(last, to);
      if (style) (spans ??= []).push(a, out.length, style);
    }
  };
  while ((i = raw.indexOf('\x1b', i)) >= 0) {
    push(i);
    let j = i + 1;
    const c = raw.charCodeAt(j);
    if (c === 0x5b) {                                               // CSI
      j++; const params: number[] = []; let n = -1, ch = 0;
      for (; j < raw.length; j++) {
        ch = raw.charCodeAt(j);
        if (ch >= 48 && ch <= 57) n = (n < 0 ? 0 : n) * 10 + ch - 48;
        else if (ch === 59 || ch === 58) { params.push(n < 0 ? 0 : n); n = -1; }
        else if (ch >= 0x40 && ch <= 0x7e) break;
      }
      params.push(n < 0 ? 0 : n);
      if (ch === 0x6d) style = sgr(style, params);
      j++;
    } else if (c === 0x5d) {                                        // OSC ... BEL | ESC \
      while (j < raw.length && raw.charCodeAt(j) !== 7 && raw.charCodeAt(j) !== ESC) j++;
      j += raw.charCodeAt(j) === ESC ? 2 : 1;
    } else j++;
    i = last = j;
  }
  push(raw.length);
  return { text: out, spans, style };
}
