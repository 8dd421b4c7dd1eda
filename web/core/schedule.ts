/** Rules of schedules as people say them, and as the server is told. */
import type { Schedule } from './types';

export type Kind = Schedule['kind'];
export const DAYS: [id: string, name: string][] = [['mon', 'Monday'], ['tue', 'Tuesday'], ['wed', 'Wednesday'], ['thu', 'Thursday'], ['fri', 'Friday'], ['sat', 'Saturday'], ['sun', 'Sunday']];
export interface Rule { kind: Kind; at: string; hours: number | null; minutes: number | null; days: string; cron: string; zone: string; until: string }

const when = (at: string): string => at.replace('T', ' ').slice(0, 16);
export function ruleText(r: Omit<Rule, 'until'> & { until?: string }): string {
  const every = [r.hours ? `${r.hours} h` : '', r.minutes ? `${r.minutes} min` : ''].filter(Boolean).join(' ') || '?';
  const days = r.days.split(',').filter(Boolean), names = days.map((d) => DAYS.find(([id]) => id === d)?.[1] ?? d);
  const on = days.join() === 'mon,tue,wed,thu,fri' ? 'weekdays' : days.join() === 'sat,sun' ? 'weekends' : names.length > 1 ? `${names.slice(0, -1).join(', ')} and ${names.at(-1)}` : names[0] ?? '?';
  const text = { once: `once, ${when(r.at)}`, every: `every ${every}`, daily: `every day at ${r.at}`, weekly: `${on} at ${r.at}`, cron: `cron ${r.cron}` }[r.kind];
  return `${text}${r.zone ? ` (${r.zone})` : ''}${r.until ? ` until ${when(r.until)}` : ''}`;
}
/** Only what the kind has a use for: the server refuses the rest. */
export function ruleBody(r: Rule): Record<string, unknown> {
  const out: Record<string, unknown> = { kind: r.kind };
  if (r.zone) out.zone = r.zone;
  if (r.until) out.until = r.until;
  if (r.kind === 'cron') out.cron = r.cron.trim();
  else if (r.at) out.at = r.at;
  if (r.kind === 'every') { out.hours = r.hours ?? 0; out.minutes = r.minutes ?? 0; }
  if (r.kind === 'weekly') out.days = r.days;
  return out;
}
/** Is there enough to ask the server for the next times? */
export const isWhole = (r: Rule): boolean =>
  r.kind === 'cron' ? r.cron.trim().split(/\s+/).length >= 5 : r.kind === 'every' ? (r.hours ?? 0) * 60 + (r.minutes ?? 0) > 0 : !!r.at && (r.kind !== 'weekly' || !!r.days);
/** "Tue 24 Nov 2026, 02:30 +01:00", of the local text that the server says, in no other zone. */
export function localText(local: string): string {
  const m = /^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d)(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.exec(local);
  if (!m) return local;
  const d = new Date(Date.UTC(Number(m[1]), Number(m[2]) - 1, Number(m[3])));
  return `${d.toLocaleDateString('en-GB', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' })}, ${m[4]} ${m[5] === 'Z' ? 'UTC' : m[5]}`;
}
/** "in 11 h" */
export function until(iso: string, now: number): string {
  const s = Math.round((Date.parse(iso) - now) / 1000);
  if (s < 0) return 'now';
  if (s < 90) return `in ${s} s`;
  if (s < 5400) return `in ${Math.round(s / 60)} min`;
  return s < 129_600 ? `in ${Math.round(s / 3600)} h` : `in ${Math.round(s / 86_400)} days`;
}
