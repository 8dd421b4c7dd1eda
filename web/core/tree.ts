/**
 * The files of a project as a tree that is shown row by row. Paths come in the order of bytes, which is the order in which
 * tests are queued; so everything below a folder is one stretch of them, and the tree keeps that order.
 */
export interface Node {
  name: string; path: string; depth: number; parent: Node | null;
  /** Null of a file. */
  kids: Node[] | null;
  /** Files in it (1 of a file), and how many of them are ticked. */
  files: number; on: number;
  /** Its place among its siblings, from 1. */
  at: number;
}
export type Tick = 'true' | 'false' | 'mixed';
export const tick = (n: Node): Tick => (n.on === 0 ? 'false' : n.on === n.files ? 'true' : 'mixed');

export function build(paths: readonly string[]): Node {
  const root: Node = { name: '', path: '', depth: -1, parent: null, kids: [], files: paths.length, on: 0, at: 1 };
  let stack: Node[] = [root];
  const add = (parent: Node, name: string, path: string, kids: Node[] | null): Node => {
    const n: Node = { name, path, depth: parent.depth + 1, parent, kids, files: kids ? 0 : 1, on: 0, at: parent.kids!.length + 1 };
    parent.kids!.push(n);
    return n;
  };
  for (const p of paths) {
    const words = p.split('/');
    let d = 0;
    while (d < words.length - 1 && d + 1 < stack.length && stack[d + 1].name === words[d]) d++;
    stack = stack.slice(0, d + 1);
    for (; d < words.length - 1; d++) stack.push(add(stack[d], words[d], `${stack[d].path}${words[d]}/`, []));
    for (const f of stack.slice(1)) f.files++;
    add(stack[d], words[d], p, null);
  }
  return root;
}

/** Counts anew what is ticked, everywhere. */
export function count(n: Node, ticked: ReadonlySet<string>): number {
  if (!n.kids) return (n.on = ticked.has(n.path) ? 1 : 0);
  n.on = 0;
  for (const k of n.kids) n.on += count(k, ticked);
  return n.on;
}
/** What is on the screen: each node whose folders are all open. `open` null: all are. */
export function visibleRows(root: Node, open: ReadonlySet<string> | null): Node[] {
  const out: Node[] = [];
  const walk = (n: Node): void => { for (const k of n.kids!) { out.push(k); if (k.kids && (!open || open.has(k.path))) walk(k); } };
  walk(root);
  return out;
}
export function eachFile(n: Node, take: (path: string) => void): void {
  if (!n.kids) take(n.path); else for (const k of n.kids) eachFile(k, take);
}
/** A folder that is ticked in part becomes ticked; one that is ticked becomes empty. Returns whether it is ticked now. */
export function toggle(n: Node, ticked: Set<string>): boolean {
  const on = tick(n) !== 'true';
  eachFile(n, (p) => { if (on) ticked.add(p); else ticked.delete(p); });
  return on;
}
/** What is open at first: the way down while there is but one folder, and the folders above what is named. */
export function openAtFirst(root: Node, path: string): Set<string> {
  const open = new Set<string>();
  for (let n = root; n.kids && n.kids.length === 1 && n.kids[0].kids; n = n.kids[0]) open.add(n.kids[0].path);
  for (let i = path.indexOf('/'); i >= 0; i = path.indexOf('/', i + 1)) open.add(path.slice(0, i + 1));
  return open;
}
/** Ticked paths in the order of the tree; those that it lacks apart. */
export function inOrder(paths: readonly string[], ticked: ReadonlySet<string>): { files: string[]; missing: string[] } {
  const files = paths.filter((p) => ticked.has(p));
  if (files.length === ticked.size) return { files, missing: [] };
  const there = new Set(paths);
  return { files, missing: [...ticked].filter((p) => !there.has(p)) };
}
/** What is searched for: a glob when it has a sign of one, else words. */
export function search(text: string): { q?: string; glob?: string } {
  const t = text.trim();
  if (!t) return {};
  if (!/[*?[]/.test(t)) return { q: t };
  return { glob: t.includes('/') ? t : `**/${t}` };
}
