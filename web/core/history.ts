/** The filter box of the history as the server is asked: its grammar on one side, `GET /runs` and `GET /launches` on the other. */
import type { Filter } from './filter';

const OUTCOMES = ['passed', 'failed', 'error', 'no_tests', 'timed_out', 'stopped', 'infrastructure'];
const STATES = ['assigned', 'preparing', 'running', 'stopping', 'done', 'lost'];
export const RUN_KEYS = ['state', 'owner', 'project', 'ref', 'lang', 'browser', 'server', 'launch', 'file', 'slow'];
export const LAUNCH_KEYS = ['state', 'owner', 'project', 'ref', 'schedule', 'slow'];
/** As the box says it, and as the server does. */
const DIRECT: Record<string, string> = { ref: 'ref', lang: 'language', browser: 'browser', file: 'file', launch: 'launch', schedule: 'schedule' };
export const RANGES: [id: string, text: string, ms: number][] = [['', 'Any time', 0], ['1h', 'Last hour', 36e5], ['24h', 'Last 24 h', 864e5], ['7d', 'Last 7 days', 6048e5], ['30d', 'Last 30 days', 2592e6]];

/** Ids behind names; a name that is not among them cannot be asked for. */
export interface Names { me: number | null; owner: ReadonlyMap<string, number>; project: ReadonlyMap<string, number>; server: ReadonlyMap<string, number> }
export interface Asked {
  /** For the address of the request: only what is asked for. */
  query: Record<string, string>;
  /** What the server has no parameter for: words that must not stand in the path, and how long it took at least. */
  not: string[]; longer: number;
  /** Why nothing can fit, or what was not understood: sentences. */
  problems: string[];
}
/** "5m", "90s", "1.5h", with or without > : milliseconds; 0: it is none. */
export function duration(text: string): number {
  const m = /^>?(\d+(?:\.\d+)?)(ms|s|m|h)$/.exec(text.toLowerCase());
  return m ? Number(m[1]) * { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }[m[2] as 'ms' | 's' | 'm' | 'h'] : 0;
}
export function ask(f: Filter, range: string, names: Names, now: number, words = 'path'): Asked {
  const out: Asked = { query: {}, not: f.not, longer: 0, problems: [] }, q = out.query;
  if (f.words.length) q[words] = f.words.join(' ');
  for (const [k, vs] of f.keys) {
    if (k === 'state') {
      const all = [...OUTCOMES, ...STATES], found = vs.map((v) => all.find((x) => x.replace('_', '').startsWith(v.toLowerCase().replace(/[-_]/g, ''))) ?? ''), wrong = vs.filter((_, i) => !found[i]);
      const outcomes = found.filter((x) => OUTCOMES.includes(x)), states = found.filter((x) => STATES.includes(x));
      if (wrong.length) out.problems.push(`state: is one of ${all.join(', ')}; not ${wrong.join(', ')}.`);
      else if (states.length > 1 || (outcomes.length && states.length)) out.problems.push('state: takes outcomes or one state of what is under way.');
      else if (outcomes.length) q.outcome = outcomes.join(); else if (states.length) q.state = states.join();
    } else if (k === 'slow') {
      out.longer = duration(vs[0]);
      if (!out.longer) out.problems.push('slow: wants a duration, such as slow:>5m.');
    } else if (k === 'owner' || k === 'project' || k === 'server') {
      const v = vs[0], low = v.toLowerCase(), id = k === 'owner' && low === 'me' ? names.me : names[k].get(low) ?? (/^[1-9]\d*$/.test(v) ? Number(v) : null);
      if (vs.length > 1) out.problems.push(`${k}: takes one.`);
      else if (id === null && !(k === 'owner' && low === 'me')) out.problems.push(`There is no ${k === 'owner' ? 'user' : k} ${v}.`);
      else if (id !== null) q[k === 'owner' ? 'user' : k] = String(id);
    } else if (DIRECT[k]) {
      if (vs.length > 1) out.problems.push(`${k}: takes one.`); else q[DIRECT[k]] = vs[0];
    }
  }
  const ms = RANGES.find((r) => r[0] === range)?.[2];
  if (ms) q.since = new Date(now - ms).toISOString();
  return out;
}
/** A word as a shell takes it. */
export const quoted = (w: string): string => (/^[\w@%+=:,./-]+$/.test(w) ? w : `'${w.replace(/'/g, `'\\''`)}'`);
/** What the server could not leave out. */
export const fits = (a: Asked, path: string, ms: number | null | undefined): boolean =>
  !(a.not.length && a.not.some((w) => path.toLowerCase().includes(w))) && (!a.longer || (ms ?? 0) > a.longer);
