/** Any number of rows that lead somewhere: one tab stop, picked by key or pointer, the next page when its place comes into sight. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { num } from '../../core/fmt';
import type { ApiError } from '../api';
import { go, useKey } from '../nav';
import { Trouble } from './basics';
import { VList, type ListApi } from './vlist';

export interface Source { more: boolean; busy: boolean; error: ApiError | null; next: () => unknown }
export function Rows<T extends { id: number }>({ items, row, label, name, href, source, picked, pick, children, class: cls = '' }: {
  items: readonly T[]; row: number; label: string; name: (x: T) => string; href: (x: T) => string; source: Source; class?: string;
  picked?: ReadonlySet<number>; pick?: (next: ReadonlySet<number>) => void; children: (x: T) => ComponentChildren;
}) {
  const list = useRef<ListApi>(null), [at, setAt] = useState(0), from = useRef(0), here = Math.max(0, Math.min(at, items.length - 1));
  const to = (i: number): void => { const k = Math.max(0, Math.min(items.length - 1, i)); setAt(k); list.current?.ensure(k); };
  const flip = (i: number, range: boolean): void => {
    if (!pick || !items[i]) return;
    const next = new Set(picked), on = range || !next.has(items[i].id), a = range ? from.current : i;
    for (let k = Math.min(a, i); k <= Math.max(a, i); k++) if (on) next.add(items[k].id); else next.delete(items[k].id);
    if (!range) from.current = i;
    setAt(i); pick(next);
  };
  const move = (d: number): void => { to(here + d); list.current?.focus(); };
  useKey('j', 'Next row', () => move(1));
  useKey('k', 'Previous row', () => move(-1));
  useKey('x', pick ? 'Pick the row; X: all from the last one to it' : '', () => flip(here, false));
  useKey('X', '', () => flip(here, true));
  function key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey || !items.length) return;
    const page = list.current!.page(), steps: Record<string, number> = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: items.length - 1, PageDown: here + page, PageUp: here - page };
    if (e.key in steps) { if (e.shiftKey && pick) { if (!picked?.size) from.current = here; flip(Math.max(0, Math.min(items.length - 1, steps[e.key])), true); list.current?.ensure(steps[e.key]); } else to(steps[e.key]); }
    else if (e.key === ' ') flip(here, e.shiftKey);
    else if (e.key === 'Enter') go(href(items[here]));
    else return;
    e.preventDefault();
  }
  const clicked = (e: MouseEvent): void => {
    const box = e.target as Element, i = Number(box.closest<HTMLElement>('[data-i]')?.dataset.i ?? -1);
    if (i < 0) return;
    if (box.closest('.pickme')) flip(i, e.shiftKey); else setAt(i);
  };
  const tail = source.more || source.busy || source.error ? 1 : 0;
  return (
    <VList api={list} class={`rowlist ${cls}`} count={items.length + tail} row={row} label={label} role="grid" rowsRole="rowgroup" multi={!!pick} idBase="row" active={items.length ? here : undefined} onKeyDown={key} onClick={clicked}
      item={(i, slot) => {
        const x = items[i];
        if (!x) return <div key="tail" class="hrow tail" role="row"><span role="gridcell"><Tail source={source} n={items.length} /></span></div>;
        return (
          <div key={slot} id={`row-${i}`} data-i={i} class="hrow" role="row" aria-rowindex={i + 1} aria-selected={picked ? picked.has(x.id) : undefined} data-here={i === here ? '' : undefined}>
            {pick && <span class="pickme" role="gridcell"><span class="tick" data-on={String(picked!.has(x.id))} title="Pick (x)" /><span class="sr">{picked!.has(x.id) ? 'picked' : ''} {name(x)}</span></span>}
            <span class="cells" role="gridcell">{children(x)}</span>
          </div>
        );
      }} />
  );
}
/** Where the list ends for now; being seen, it asks for more. */
function Tail({ source, n }: { source: Source; n: number }) {
  useEffect(() => { if (!source.busy && !source.error && source.more) void source.next(); }, [n, source.busy, source.error]);
  return source.error ? <Trouble error={source.error} retry={source.next} before={`After ${num(n)} rows`} /> : <span class="faint">Loading…</span>;
}
