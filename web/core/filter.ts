/** The filter box: bare words are parts of the path, `-word` excludes, `key:a,b` picks. */
export interface Filter { words: string[]; not: string[]; keys: Map<string, string[]>; unknown: string[] }
export function parseFilter(text: string, known: readonly string[]): Filter {
  const f: Filter = { words: [], not: [], keys: new Map(), unknown: [] };
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const m = /^([a-z_]+):(.*)$/i.exec(word), w = word.toLowerCase(), key = m ? m[1].toLowerCase() : '';
    if (m && known.includes(key)) { const vs = m[2].split(',').filter(Boolean); if (vs.length) f.keys.set(key, vs); }   // as typed: branches have large letters
    else if (m && !w.includes('/') && !/^\d/.test(m[2])) f.unknown.push(key);
    else if (w.length > 1 && w.startsWith('-')) f.not.push(w.slice(1));
    else f.words.push(w);
  }
  return f;
}
export function matches(f: Filter, text: string, key: (k: string) => string): boolean {
  const low = text.toLowerCase();
  return f.words.every((w) => low.includes(w)) && !f.not.some((w) => low.includes(w))
    && [...f.keys].every(([k, vs]) => vs.some((v) => key(k).toLowerCase().startsWith(v.toLowerCase())));
}
