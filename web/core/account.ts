/** Accounts without a browser: who may what, states as they are shown, variables as they are typed. */
import { SHAPES, type Face } from './state';
import type { EnvLine, Launch, Me, User } from './types';

export const isAdmin = (m: Me | null): boolean => m?.role === 'admin';
/** Stop a launch and its runs: who started it, and admins. */
export const mayStop = (m: Me | null, l: Pick<Launch, 'user'> | null): boolean =>
  isAdmin(m) || (m?.role === 'user' && !!l?.user && l.user.id === m.user?.id);
export const fullName = (u: Pick<User, 'first_name' | 'last_name'>): string => `${u.first_name} ${u.last_name}`.trim();

const face = (shape: string, word: string, tone: Face['tone']): Face => ({ shape: SHAPES[shape], word, tone });
export function userFace(u: Pick<User, 'state' | 'role'>): Face {
  if (u.state === 'pending') return face('waiting', 'waits', 'pend');
  if (u.state === 'locked') return face('stopped', 'locked', 'fail');
  if (u.state === 'deleted') return face('offline', 'deleted', 'off');
  return u.role === 'admin' ? face('passed', 'admin', 'run') : face('passed', 'verified', 'pass');
}
/** Of an audit row: what the answer's status means. */
export function answerFace(status: number): Face {
  if (status === 0) return face('lost', 'no answer', 'pend');
  if (status < 400) return face('passed', 'done', 'pass');
  if (status === 401 || status === 403 || status === 429) return face('failed', 'refused', 'fail');
  return status < 500 ? face('failed', 'not done', 'pend') : face('error', 'failed', 'fail');
}

/** A variable while it is edited; `had`: a secret whose value is stored and not known here. */
export interface Draft { key: number; name: string; value: string; secret: boolean; had: boolean }
export const toDraft = (l: EnvLine, key: number): Draft => ({ key, name: l.name, value: l.value ?? '', secret: l.secret, had: l.secret });
/** What is sent: a stored secret that was not typed again goes without a value and so keeps the one it has. */
export const toLine = (d: Draft): { name: string; value?: string; secret: boolean } =>
  d.secret && d.had && d.value === '' ? { name: d.name, secret: true } : { name: d.name, value: d.value, secret: d.secret };
/** The first thing wrong with the lines: which, and a sentence. */
export function wrongDraft(all: readonly Draft[]): { key: number; text: string } | null {
  const seen = new Set<string>();
  for (const d of all) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(d.name)) return { key: d.key, text: d.name ? `${d.name}: a name has letters, digits and _, and begins with none of the digits.` : 'A variable needs a name.' };
    if (seen.has(d.name)) return { key: d.key, text: `${d.name} is there twice.` };
    seen.add(d.name);
    if (d.had && !d.secret && d.value === '') return { key: d.key, text: `${d.name} was a secret: type its value again to show it from now on.` };
  }
  return null;
}
/** Lines of an .env file: NAME=value, quotes around a value and `export` before a name fall away. */
export function parseEnv(text: string): { name: string; value: string }[] {
  const out: { name: string; value: string }[] = [];
  for (const line of text.split(/\r?\n/)) {
    const m = /^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line);
    if (m) out.push({ name: m[1], value: m[2].trim().replace(/^(["'])(.*)\1$/, '$2') });
  }
  return out;
}
/** What a browser calls itself, as a person says it. */
export function browserName(agent: string): string {
  const b = /Edg\//.test(agent) ? 'Edge' : /OPR\//.test(agent) ? 'Opera' : /Firefox\//.test(agent) ? 'Firefox' : /(Chrome|Chromium)\//.test(agent) ? 'Chrome' : /Safari\//.test(agent) ? 'Safari' : '';
  const s = /Android/.test(agent) ? 'Android' : /iPhone|iPad/.test(agent) ? 'iOS' : /Windows/.test(agent) ? 'Windows' : /Mac OS X/.test(agent) ? 'macOS' : /Linux/.test(agent) ? 'Linux' : '';
  return b ? (s ? `${b} on ${s}` : b) : agent.slice(0, 60) || 'unknown';
}
/** The start of an address that a sign-in returns to. */
export const signInAddress = (here: string): string => (here === '/' ? '/signin' : `/signin?next=${encodeURIComponent(here)}`);
