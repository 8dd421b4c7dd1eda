/** Where a path leads. The page's own addresses, nothing else. */
/** What admins look after, as tables. */
export const TABLES = ['projects', 'locations', 'browsers', 'languages', 'fleets', 'hooks', 'mails', 'jobs'] as const;
export type TableName = (typeof TABLES)[number];
export const ACCOUNT = ['profile', 'password', 'sessions', 'tokens', 'variables', 'mail', 'delete'] as const;
export type AccountTab = (typeof ACCOUNT)[number];
export const PLAIN = { '/': 'board', '/board': 'board', '/compose': 'compose', '/runs': 'runs', '/launches': 'launches', '/files': 'files', '/lists': 'lists', '/schedules': 'schedules', '/servers': 'servers', '/signin': 'signin', '/signup': 'signup', '/forgot': 'forgot', '/welcome': 'welcome', '/admin/users': 'users', '/admin/audit': 'audit', '/admin/cost': 'cost', '/admin/retention': 'retention' } as const;
export const NUMBERED = { launches: 'launch', runs: 'run', 'admin/users': 'user', 'admin/hooks': 'hook', lists: 'list', schedules: 'schedule', servers: 'server' } as const;
export type Route =
  | { at: (typeof PLAIN)[keyof typeof PLAIN] }
  | { at: (typeof NUMBERED)[keyof typeof NUMBERED]; id: number }
  | { at: 'account'; tab: AccountTab }
  | { at: 'admin'; table: TableName }
  | { at: 'nothing'; path: string };
export function route(path: string): Route {
  const p = path.length > 1 ? path.replace(/\/$/, '') : path;
  if (Object.hasOwn(PLAIN, p)) return { at: PLAIN[p as keyof typeof PLAIN] };
  const m = /^\/(launches|runs|admin\/users|admin\/hooks|lists|schedules|servers)\/([1-9][0-9]{0,15})$/.exec(p);
  if (m) return { at: NUMBERED[m[1] as keyof typeof NUMBERED], id: Number(m[2]) };
  const table = TABLES.find((t) => p === `/admin/${t}`);
  if (table) return { at: 'admin', table };
  const tab = p === '/account' ? 'profile' : ACCOUNT.find((t) => p === `/account/${t}`);
  return tab ? { at: 'account', tab } : { at: 'nothing', path };
}
/** `#L12` or `#L10-L12`: lines counted from 1, as a range of indexes. */
export function lineRange(hash: string): [number, number] | null {
  const m = /^#L([1-9]\d{0,9})(?:-L?([1-9]\d{0,9}))?$/.exec(hash);
  if (!m) return null;
  const a = Number(m[1]) - 1, b = m[2] ? Number(m[2]) - 1 : a;
  return a <= b ? [a, b] : [b, a];
}
/** Where to go after a sign-in: an address of this page and of nowhere else, and not the way in again. */
export function safeNext(next: string | null, origin: string): string {
  if (!next || !next.startsWith('/') || next.length > 2000) return '/';
  let u: URL;
  try { u = new URL(next, origin); } catch { return '/'; }
  if (u.origin !== origin || u.pathname.startsWith('//')) return '/';
  return ['signin', 'signup', 'forgot', 'welcome'].includes(route(u.pathname).at) || u.pathname.startsWith('/api/') ? '/' : u.pathname + u.search + u.hash;
}
