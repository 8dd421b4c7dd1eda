/** Numbers and times as people read them. */
const grouped = new Intl.NumberFormat('en-US');
export const num = (n: number): string => grouped.format(n);
export const plural = (n: number, one: string, many = `${one}s`): string => `${num(n)} ${n === 1 ? one : many}`;

const two = (n: number): string => String(n).padStart(2, '0');
export function dur(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–';
  if (ms < 0) ms = 0;
  if (ms < 1) return '0 ms';
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 9950) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.round(ms / 1000);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${two(s % 60)}s`;
  return `${Math.floor(s / 3600)}h ${two(Math.floor((s % 3600) / 60))}m`;
}
/** Elapsed time that ticks: whole seconds, so that a row does not jitter. */
export function elapsed(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  return s < 60 ? `${s}s` : s < 3600 ? `${Math.floor(s / 60)}m ${two(s % 60)}s` : `${Math.floor(s / 3600)}h ${two(Math.floor((s % 3600) / 60))}m`;
}
/** When a line was printed: since the log began, or by the clock of who looks. */
export function stamp(ms: number, since: number | null): string {
  if (since === null) { const d = new Date(ms); return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${String(d.getMilliseconds()).padStart(3, '0')}`; }
  const t = Math.max(0, ms - since), s = Math.floor(t / 1000), m = Math.floor(s / 60);
  return `${m < 60 ? m : `${Math.floor(m / 60)}:${two(m % 60)}`}:${two(s % 60)}.${String(t % 1000).padStart(3, '0')}`;
}
export function eta(ms: number | null): string {
  if (ms === null) return 'time left unknown';
  if (ms < 45_000) return 'less than a minute left';
  const min = Math.round(ms / 60_000);
  return min < 90 ? `about ${min} min left` : `about ${(min / 60).toFixed(1)} h left`;
}
export function ago(iso: string | null, now: number): string {
  if (!iso) return '–';
  const s = Math.floor((now - Date.parse(iso)) / 1000);
  if (s < 10) return 'just now';
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ago`;
  return `${plural(Math.floor(s / 86_400), 'day')} ago`;
}
export const exact = (iso: string | null): string => (iso ? new Date(iso).toLocaleString() : '');
export function bytes(n: number): string {
  if (n < 1000) return `${n} B`;
  for (const unit of ['kB', 'MB', 'GB']) { n /= 1000; if (n < 999.5 || unit === 'GB') return `${n < 9.95 ? n.toFixed(1) : Math.round(n)} ${unit}`; }
  return '';
}
/** Dollars: of little money as many digits as tell something. */
export const usd = (n: number): string => `$${n.toFixed(n >= 10 ? 2 : n >= 0.01 ? 4 : 6)}`;
export const base = (p: string): string => p.slice(p.lastIndexOf('/') + 1);
export const dir = (p: string): string => p.slice(0, p.lastIndexOf('/') + 1);

/** Control and direction characters made visible: a name must not rearrange the page around it. */
export const visible = (s: string): string =>
  s.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
/** The same for texts of several lines. Colours are dropped, the lines stay. */
export const visibleText = (s: string): string =>
  s.replace(/\x1b\[[0-9;:]*m/g, '').split('\n').map((l) => l.split('\t').map(visible).join('\t')).join('\n');
