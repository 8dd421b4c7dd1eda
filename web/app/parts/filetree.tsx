/** Files to tick: a tree of any size, one tab stop, folders tick what they show. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { num, visible } from '../../core/fmt';
import { build, count, openAtFirst, tick, toggle, visibleRows, type Node } from '../../core/tree';
import { go } from '../nav';
import { VList, type ListApi } from './vlist';

const ROW = 28;
const opened = new Map<string, Set<string>>();                        // by project: what somebody opened stays open

export function FileTree({ paths, ticked, changed, all, path, id, label, said }: {
  paths: readonly string[]; ticked: Set<string>; changed: () => void;
  /** Everything is open, as the answer of a search is. */ all: boolean; path: string; id: string; label: string; /** What is known of a file. */ said: (path: string) => string;
}) {
  const list = useRef<ListApi>(null), [at, setAt] = useState(0), [, draw] = useState({});
  const root = useMemo(() => build(paths), [paths]);
  const open = useMemo(() => { let o = opened.get(id); if (!o) opened.set(id, (o = openAtFirst(root, path))); return o; }, [id, root]);
  const shut = useMemo(() => new Set<string>(), [paths, all]);       // closed by hand while everything is open
  count(root, ticked);
  const rows = all ? openRows(root, shut) : visibleRows(root, open);
  const here = Math.min(at, rows.length - 1);
  useEffect(() => { if (path) { const i = rows.findIndex((r) => r.path === path); if (i >= 0) { setAt(i); requestAnimationFrame(() => list.current?.reveal(i)); } } }, [root, path]);
  const isOpen = (n: Node): boolean => (all ? !shut.has(n.path) : open.has(n.path));
  const setOpen = (n: Node, on: boolean): void => {
    const to = all ? shut : open, has = all ? !on : on;
    if (has) to.add(n.path); else to.delete(n.path);
    draw({});
  };
  const flip = (n: Node): boolean => { const on = toggle(n, ticked); changed(); return on; };
  const to = (i: number): void => { const k = Math.max(0, Math.min(rows.length - 1, i)); setAt(k); list.current?.ensure(k); };
  function key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey || !rows.length) return;
    const n = rows[here];
    const page = list.current!.page();
    const step: Record<string, number> = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1, PageDown: here + page, PageUp: here - page, j: here + 1, k: here - 1 };
    if (e.key in step) {
      const next = Math.max(0, Math.min(rows.length - 1, step[e.key]));
      if (e.shiftKey && (e.key === 'ArrowDown' || e.key === 'ArrowUp') && next !== here) {    // what is passed becomes as this one is
        const on = tick(n) === 'true';
        if ((tick(rows[next]) === 'true') !== on) flip(rows[next]);
      }
      to(next);
    } else if (e.key === ' ' || e.key === 'x' || (e.key === 'Enter' && !n.kids)) flip(n);
    else if (e.key === 'Enter') setOpen(n, !isOpen(n));
    else if (e.key === 'ArrowRight') { if (!n.kids) return; if (!isOpen(n)) setOpen(n, true); else to(here + 1); }
    else if (e.key === 'ArrowLeft') { if (n.kids && isOpen(n)) setOpen(n, false); else if (n.parent && n.parent !== root) to(rows.indexOf(n.parent)); }
    else if (e.key === 'o' && !n.kids) go(`/files?${new URLSearchParams({ project: id, path: n.path })}`);
    else if (e.key === '*') { for (const k of n.parent!.kids!) if (k.kids) setOpen(k, true); }
    else return;
    e.preventDefault();
    e.stopPropagation();
  }
  function clicked(e: MouseEvent): void {
    const row = (e.target as Element).closest<HTMLElement>('[data-i]');
    if (!row) return;
    const i = Number(row.dataset.i), n = rows[i];
    if (!n) return;
    if (e.shiftKey && i !== here) {                                   // a stretch becomes what its beginning is
      const on = tick(rows[here]) === 'true';
      for (let k = Math.min(i, here); k <= Math.max(i, here); k++) if (!rows[k].kids) { if (on) ticked.add(rows[k].path); else ticked.delete(rows[k].path); }
      changed();
    } else if (n.kids && !(e.target as Element).closest('.tick')) setOpen(n, !isOpen(n));
    else flip(n);
    setAt(i);
  }
  return (
    <VList api={list} class="filetree" count={rows.length} row={ROW} label={label} role="tree" multi idBase="file" active={here} onKeyDown={key} onClick={clicked}
      item={(i, slot) => {
        const n = rows[i], t = tick(n);
        return (
          <div key={slot} id={`file-${i}`} data-i={i} class="frow" role="treeitem" aria-level={n.depth + 1} aria-setsize={n.parent!.kids!.length} aria-posinset={n.at} aria-selected={t === 'true'}
            aria-expanded={n.kids ? isOpen(n) : undefined} aria-checked={t} data-here={i === here ? '' : undefined} style={{ '--d': n.depth }}>
            <span class="fold" aria-hidden="true">{n.kids ? (isOpen(n) ? '▾' : '▸') : ''}</span>
            <span class="tick" data-on={t} aria-hidden="true" />
            <span class="name" title={n.path}>{visible(n.name)}{n.kids ? '/' : ''}</span>
            <span class="n">{!n.kids ? said(n.path) : n.on ? `${num(n.on)} of ${num(n.files)}` : num(n.files)}</span>
          </div>
        );
      }} />
  );
}
function openRows(root: Node, shut: ReadonlySet<string>): Node[] {
  const out: Node[] = [];
  const walk = (n: Node): void => { for (const k of n.kids!) { out.push(k); if (k.kids && !shut.has(k.path)) walk(k); } };
  walk(root);
  return out;
}
