/** What may be done to servers, and how a row says why a server is as it is. */
import type { Me, Server } from './types';
import { isAdmin } from './account';

/** Does wrata make and destroy its machine? */
export const isMade = (s: Pick<Server, 'kind' | 'fleet'>): boolean => (s.kind ?? s.fleet) !== 'local' && (s.kind ?? s.fleet) !== 'ssh';
export const isMine = (m: Me | null, s: Pick<Server, 'booked_by'>): boolean => !!s.booked_by && (!m?.accounts || s.booked_by.id === m.user?.id);
/** Why it is as it is: the first that explains it. */
export function why(s: Server): string {
  if (s.status === 'creating' || s.status === 'destroying') return s.progress || (s.status === 'creating' ? 'its machine is being made' : 'its machine is being destroyed');
  if (s.status === 'destroyed') return s.status_reason || '';
  if (s.sick) return s.sick;
  if (s.link !== 'online') return s.reason || (s.link === 'connecting' ? 'waiting for its agent' : 'not connected');
  return s.maintenance ? 'maintenance: it takes no more tests' : '';
}
export type Op = 'book' | 'unbook' | 'power_on' | 'power_off' | 'drain' | 'resume';
/** Those of the picked ones that it makes sense for. */
export function fit(op: Op, all: readonly Server[], m: Me | null): Server[] {
  const boss = isAdmin(m);
  return all.filter((s) => {
    switch (op) {
      case 'book': return !s.booked_by;
      case 'unbook': return !!s.booked_by && (boss || isMine(m, s));
      case 'power_on': return isMade(s) && s.status === 'destroyed';
      case 'power_off': return isMade(s) && (s.status === 'created' || s.status === 'creating') && (boss || !s.booked_by || isMine(m, s));
      case 'drain': return boss && !s.maintenance;
      case 'resume': return boss && (!!s.maintenance || !!s.sick);
      default: return false;
    }
  });
}
/** "in 12m 04s": until its machine goes; "" when it does not. */
export function countdown(s: Pick<Server, 'destroys_at'>, now: number): string {
  if (!s.destroys_at) return '';
  const left = Math.max(0, Math.floor((Date.parse(s.destroys_at) - now) / 1000)), two = (n: number): string => String(n).padStart(2, '0');
  return left >= 3600 ? `${Math.floor(left / 3600)}h ${two(Math.floor((left % 3600) / 60))}m` : left >= 60 ? `${Math.floor(left / 60)}m ${two(left % 60)}s` : `${left}s`;
}
export const usd = (n: number): string => `$${n < 1 ? n.toFixed(3).replace(/0$/, '') : n.toFixed(2)}`;
/** A pattern of names, as `web-{0..19}`: how many it makes; 1 for a plain name, 0 for one that is wrong. */
export function patternCount(name: string): number {
  const m = /\{(\d{1,6})\.\.(\d{1,6})\}/.exec(name);
  if (!m) return /[{}]/.test(name) ? 0 : 1;
  return Number(m[2]) >= Number(m[1]) ? Number(m[2]) - Number(m[1]) + 1 : 0;
}
