import type { ComponentChildren, RefObject } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { scrollFor, win, type Heights } from '../../core/vwin';

/** `reveal`: scrolls there, with an item in the middle or `lead` px below the top. `first`: the item at the top. */
export interface ListApi { reveal(i: number, lead?: number): void; ensure(i: number): void; first(): number; page(): number; focus(): void; at(y: number): number }
interface Props {
  count: number; row: number; label: string; class?: string; follow?: boolean; rowsRole?: 'list' | 'rowgroup';
  api?: RefObject<ListApi | null>; item: (i: number, slot: number) => ComponentChildren;
  onScrolled?: (atEnd: boolean) => void;
  /** For items that are several rows high; and an item like them, never shown, to measure. */
  rows?: Heights; ruler?: ComponentChildren;
  /** A widget with one tab stop: the row `active` is named by its id, `${idBase}-${i}`. */
  role?: 'tree' | 'listbox' | 'grid'; idBase?: string; active?: number; multi?: boolean; hint?: string;
  onKeyDown?: (e: KeyboardEvent) => void; onClick?: (e: MouseEvent) => void; onPointerDown?: (e: PointerEvent) => void;
}

/** Windowed list. Rows are keyed by slot, so scrolling rewrites text in recycled nodes instead of building new ones. */
export function VList(p: Props) {
  const el = useRef<HTMLDivElement>(null);
  const top = useRef(0), [, draw] = useState({}), [h, setH] = useState(0);
  const w = win(p.count, p.row, p.follow ? Infinity : top.current, h, 8, p.rows);   // following: derived, no scroll round trip

  useLayoutEffect(() => {
    const ro = new ResizeObserver(() => setH(el.current!.clientHeight));
    ro.observe(el.current!);
    return () => ro.disconnect();
  }, []);
  useLayoutEffect(() => { if (p.follow && p.count) top.current = el.current!.scrollTop = w.full; }, [p.follow, p.count, w.full, h]);
  useLayoutEffect(() => {
    if (p.api) p.api.current = {
      reveal: (i, lead) => { el.current!.scrollTop = scrollFor(i, p.count, p.row, el.current!.clientHeight, p.rows, lead); top.current = el.current!.scrollTop; draw({}); },
      ensure: (i) => {
        const box = el.current!, w = win(p.count, p.row, box.scrollTop, h, 0), whole = Math.max(1, Math.floor(h / p.row));
        if (i > w.start && i < w.start + whole) return;
        if (p.count * p.row <= w.full) box.scrollTop = i <= w.start ? i * p.row : (i + 1) * p.row - h; else box.scrollTop = scrollFor(i, p.count, p.row, h);
        top.current = box.scrollTop; draw({});
      },
      page: () => Math.max(1, Math.floor(h / p.row) - 1),
      at: (y) => Math.max(0, Math.min(p.count, Math.round((y - el.current!.getBoundingClientRect().top + el.current!.scrollTop) / p.row))),
      first: () => win(p.count, p.row, el.current!.scrollTop, h, 0, p.rows).first,
      focus: () => el.current!.focus(),
    };
  });

  function scrolled() {
    const y = el.current!.scrollTop, end = y + h >= w.full - p.row;
    top.current = y;
    if (end && p.follow) return;
    draw({});
    p.onScrolled?.(end);
  }
  const rows: ComponentChildren[] = [];
  for (let i = w.start; i < w.end; i++) rows.push(p.item(i, i - w.start));
  return (
    <div class={`vlist ${p.class ?? ''}`} ref={el} role={p.role ?? 'region'} aria-label={p.label} tabIndex={0} onScroll={scrolled}
      aria-multiselectable={p.multi ? 'true' : undefined} aria-activedescendant={p.active !== undefined && p.active >= w.start && p.active < w.end ? `${p.idBase}-${p.active}` : undefined}
      aria-describedby={p.hint} onKeyDown={p.onKeyDown} onClick={p.onClick} onPointerDown={p.onPointerDown}>
      {p.ruler}
      <div class="space" style={{ height: `${w.full}px` }} />
      <div class="rows" role={p.rowsRole && rows.length ? p.rowsRole : undefined} style={{ transform: `translateY(${w.top}px)` }}>{rows}</div>
    </div>
  );
}
