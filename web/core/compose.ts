/** What is pressed together on the compose screen: counts, the body of a launch, and which control a fault belongs to. */
import { num, plural } from './fmt';

export interface Params { location: string; url: string; browsers: string[]; languages: string[]; env: string; name: string; soonest: boolean }
export const CUSTOM = '\u0000custom';                                 // no location has such a name
/** Above so many tests the page asks once. */
export const ASK_ABOVE = 2000;

export const tests = (files: number, p: Pick<Params, 'browsers' | 'languages'>): number => files * Math.max(1, p.languages.length) * Math.max(1, p.browsers.length);
/** "120 files × 3 languages = 360 tests" */
export function sentence(files: number, p: Pick<Params, 'browsers' | 'languages'>): string {
  const by = [plural(files, 'file')];
  if (p.languages.length > 1) by.push(plural(p.languages.length, 'language'));
  if (p.browsers.length > 1) by.push(plural(p.browsers.length, 'browser'));
  return by.length === 1 ? plural(files, 'test') : `${by.join(' × ')} = ${num(tests(files, p))} tests`;
}
export const envLines = (text: string): string[] => text.split(/\r?\n/).map((l) => l.trim().replace(/^export\s+/, '')).filter((l) => l && !l.startsWith('#'));

export function body(project: number, ref: string, files: readonly string[], p: Params, front: boolean): Record<string, unknown> {
  const env = envLines(p.env), out: Record<string, unknown> = { project, files, at: front ? 'front' : 'end' };
  if (ref) out.ref = ref;
  const location = p.location === CUSTOM ? p.url.trim() : p.location;
  if (location) out.location = location;
  if (p.browsers.length) out.browsers = p.browsers;
  if (p.languages.length) out.languages = p.languages;
  if (env.length) out.env = env;
  if (p.name.trim()) out.name = p.name.trim();
  if (p.soonest) out.order = 'finish-soonest';
  return out;
}
/** What is wrong before anything is sent, by control. */
export function wrong(files: number, p: Params): Record<string, string> {
  const out: Record<string, string> = {};
  if (!files) out.files = 'Tick at least one file.';
  if (p.location === CUSTOM) {
    let u: URL | null = null;
    try { u = new URL(p.url.trim()); } catch { /* said below */ }
    if (!p.url.trim()) out.url = 'Type the address of the server under test, such as https://qa.example.org.';
    else if (!u || !/^https?:$/.test(u.protocol)) out.url = `“${p.url.trim().slice(0, 80)}” is no address that begins with http:// or https://.`;
  }
  for (const l of envLines(p.env)) if (!/^[A-Za-z_][A-Za-z0-9_]*=/.test(l)) { out.env = `“${l.slice(0, 60)}” is not NAME=value.`; break; }
  return out;
}
/** The control that a field of the server's answer belongs to; null: none, it is said above the button. */
export function control(field: string, p: Pick<Params, 'location'>): string | null {
  const f = field.replace(/[[.].*$/, '');
  if (f === 'location') return p.location === CUSTOM ? 'url' : 'location';
  return ['project', 'ref', 'files', 'browsers', 'languages', 'env', 'name'].includes(f) ? f : null;
}
/** Names that the server knows, in the order given; each once. */
export function known(names: readonly string[], all: readonly { name: string }[]): string[] {
  const there = new Set(all.map((x) => x.name));
  return [...new Set(names)].filter((n) => there.has(n));
}
