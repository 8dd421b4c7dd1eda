/** Where a path leads. The page's own addresses, nothing else. */
export type Route = { at: 'board' } | { at: 'launch'; id: number } | { at: 'run'; id: number } | { at: 'nothing'; path: string };
export function route(path: string): Route {
  if (path === '/' || path === '/board') return { at: 'board' };
  const m = /^\/(launches|runs)\/([1-9][0-9]{0,15})\/?$/.exec(path);
  if (m) return { at: m[1] === 'runs' ? 'run' : 'launch', id: Number(m[2]) };
  return { at: 'nothing', path };
}
/** `#L12` or `#L10-L12`: lines counted from 1, as a range of indexes. */
export function lineRange(hash: string): [number, number] | null {
  const m = /^#L([1-9]\d{0,9})(?:-L?([1-9]\d{0,9}))?$/.exec(hash);
  if (!m) return null;
  const a = Number(m[1]) - 1, b = m[2] ? Number(m[2]) - 1 : a;
  return a <= b ? [a, b] : [b, a];
}
