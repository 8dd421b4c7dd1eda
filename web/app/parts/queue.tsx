/** The own queue beside the board: what waits, why, since when and until when; moved, removed, sorted, paused. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { base, dir, dur, num, plural, visible } from '../../core/fmt';
import { matches, parseFilter } from '../../core/filter';
import { anchorOf, duplicates, move, startsIn, step } from '../../core/queue';
import type { QueueItem } from '../../core/types';
import { QueueStore, type Outcome } from '../queuestore';
import { now, say } from '../nav';
import { Ago, Empty, Failed, Trouble } from './basics';
import { VList, type ListApi } from './vlist';

const ROW = 44;
interface Told { text: string; undo: number | null; bad?: boolean; again?: () => void }

export function QueuePane({ store }: { store: QueueStore }) {
  void store.rev.value;
  const phase = store.phase.value;
  return (
    <section class="pane queue" aria-labelledby="queue-h" id="queue">
      {phase === 'error' ? <><header><h2 id="queue-h">Your queue</h2></header><Failed error={store.error.value!} what="Your queue" retry={store.retry} /></>
        : phase === 'loading' ? <><header><h2 id="queue-h">Your queue</h2></header><div class="skeleton"><i /><i /></div></>
          : <Loaded store={store} />}
    </section>
  );
}

function Loaded({ store }: { store: QueueStore }) {
  const list = useRef<ListApi>(null), [at, setAt] = useState(0), [from, setFrom] = useState(0), [picked, setPicked] = useState<ReadonlySet<number>>(new Set()), [q, setQ] = useState('');
  const [told, setTold] = useState<Told | null>(null), [menu, setMenu] = useState(false), [busy, setBusy] = useState(''), [drop, setDrop] = useState<number | null>(null);
  const timer = useRef(0), all = store.items, rev = store.rev.value;
  const f = parseFilter(q, ['browser', 'lang', 'launch', 'project']);
  const rows = useMemo(() => (q.trim() ? all.filter((x) => matches(f, `${x.path} ${x.launch.name}`, (k) => (k === 'browser' ? x.browser : k === 'lang' ? x.language : k === 'launch' ? String(x.launch.id) : x.project.name))) : all), [rev, q]);
  const place = useMemo(() => new Map(all.map((x, i) => [x.id, i])), [rev]);
  const dups = useMemo(() => duplicates(all), [rev]);
  useEffect(() => { if ([...picked].some((id) => !place.has(id))) setPicked(new Set([...picked].filter((id) => place.has(id)))); }, [place]);
  useEffect(() => () => clearTimeout(timer.current), []);
  useEffect(() => {
    if (!menu) return;
    const away = (e: Event): void => { if (!(e.target as Element).closest?.('.queue .menu')) setMenu(false); };
    document.addEventListener('pointerdown', away);
    document.addEventListener('focusin', away);
    return () => { document.removeEventListener('pointerdown', away); document.removeEventListener('focusin', away); };
  }, [menu]);
  const here = Math.max(0, Math.min(at, rows.length - 1)), row = rows[here] as QueueItem | undefined;
  const chosen = (): Set<number> => (picked.size ? new Set(picked) : new Set(row ? [row.id] : []));
  const tell = (t: Told | null): void => {
    setTold(t);
    clearTimeout(timer.current);
    if (t) say(t.text);
    if (t && !t.bad) timer.current = setTimeout(() => setTold(null), t.undo ? 10_000 : 5000) as unknown as number;
  };
  const done = (r: Outcome, text: (n: number) => string, again: () => void): void => {
    setBusy('');
    if (r.ok) { const past = r.answer.passed_over; tell({ text: text(r.answer.done) + (past ? `; ${plural(past, 'test')} had begun meanwhile` : ''), undo: r.answer.undo }); }
    else if (r.conflict) tell({ text: 'Somebody changed the queue at the same moment, so nothing was done. It is shown as it is now.', undo: null, bad: true, again });
    else tell({ text: r.error.message, undo: null, bad: true });
  };
  const act = (what: string, text: (n: number) => string, body: Record<string, unknown> = {}, guess?: (x: QueueItem[]) => QueueItem[]): void => {
    setMenu(false); setBusy(what); setTold(null);
    void store.change(what, body, guess).then((r) => done(r, text, () => act(what, text, body, guess)));
  };
  const remove = (ids: Set<number>): void => { if (ids.size) { setPicked(new Set()); act('delete', (n) => `${plural(n, 'test')} removed`, { tests: [...ids] }, (x) => x.filter((i) => !ids.has(i.id))); list.current?.focus(); } };
  const put = (ids: Set<number>, before: number | null): void => {
    const to = anchorOf(all, ids, before), tests = all.filter((x) => ids.has(x.id)).map((x) => x.id);
    if (!tests.length) return;
    const after = move(all, ids, before), first = after.findIndex((x) => ids.has(x.id));
    if (!q.trim()) { const i = after.findIndex((x) => x.id === (row && ids.has(row.id) ? row.id : tests[0])); setAt(i); requestAnimationFrame(() => list.current?.ensure(i)); }
    act('move', (n) => (n === 1 ? `Moved to place ${num(first + 1)}` : `${plural(n, 'test')} moved to place ${num(first + 1)}`), to === null ? { tests, to: 'end' } : first === 0 ? { tests, to: 'front' } : { tests, before: to }, (x) => move(x, ids, to));
  };
  const pick = (i: number, range: boolean, keep: boolean): void => {
    if (range) {
      const [a, b] = [Math.min(i, from), Math.max(i, from)];
      setPicked(new Set([...(keep ? picked : []), ...rows.slice(a, b + 1).map((x) => x.id)]));
    } else {
      const next = new Set(keep ? picked : []);
      if (keep && picked.has(rows[i].id)) next.delete(rows[i].id); else next.add(rows[i].id);
      setPicked(next); setFrom(i);
    }
    setAt(i);
  };
  const to = (i: number): number => { const k = Math.max(0, Math.min(rows.length - 1, i)); setAt(k); list.current?.ensure(k); return k; };

  function key(e: KeyboardEvent): void {
    if (!row) return;
    const mod = e.ctrlKey || e.metaKey, page = list.current!.page(), ids = chosen();
    const stepTo: Record<string, number> = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: rows.length - 1, PageDown: here + page, PageUp: here - page, j: here + 1, k: here - 1 };
    if (e.altKey) {
      const before = e.key === 'ArrowUp' || e.key === 'ArrowDown' ? step(all, ids, e.key === 'ArrowUp') : e.key === 'Home' ? all.find((x) => !ids.has(x.id))?.id : e.key === 'End' ? null : undefined;
      if (!/^(Arrow(Up|Down)|Home|End)$/.test(e.key)) return;
      if (before !== undefined) put(ids, before);
    } else if (mod && e.key === 'a') setPicked(new Set(rows.map((x) => x.id)));
    else if (mod) return;
    else if (e.key in stepTo) {
      if (e.shiftKey) { const start = picked.size ? from : here, k = to(stepTo[e.key]); if (!picked.size) setFrom(here); setPicked(new Set(rows.slice(Math.min(start, k), Math.max(start, k) + 1).map((x) => x.id))); }
      else to(stepTo[e.key]);
    } else if (e.key === ' ' || e.key === 'x') pick(here, e.shiftKey, true);
    else if (e.key === 'Delete' || e.key === 'Backspace') remove(ids);
    else if (e.key === 'Escape' && picked.size) setPicked(new Set());
    else return;
    e.preventDefault();
    e.stopPropagation();
  }

  // Dragging: by the handle with any pointer, anywhere on the row with a mouse.
  const drag = useRef<{ i: number; y: number; ids: Set<number> | null; shift: boolean; mod: boolean } | null>(null), scroll = useRef(0), lastY = useRef(0);
  function down(e: PointerEvent): void {
    const el = (e.target as Element).closest<HTMLElement>('[data-i]');
    if (!el || e.button !== 0) return;
    const i = Number(el.dataset.i);
    if ((e.target as Element).closest('.x')) { e.preventDefault(); remove(new Set([rows[i].id])); return; }
    drag.current = { i, y: e.clientY, ids: null, shift: e.shiftKey, mod: e.ctrlKey || e.metaKey };
    if (e.pointerType !== 'mouse' && !(e.target as Element).closest('.grip')) { drag.current.y = NaN; }
    document.addEventListener('pointermove', moved);
    document.addEventListener('pointerup', up, { once: true });
    document.addEventListener('pointercancel', cancel, { once: true });
    document.addEventListener('keydown', esc, true);
  }
  const rowsNow = useRef(rows); rowsNow.current = rows;
  const pickedNow = useRef(picked); pickedNow.current = picked;
  function moved(e: PointerEvent): void {
    const d = drag.current;
    if (!d || Number.isNaN(d.y)) return;
    lastY.current = e.clientY;
    if (!d.ids) {
      if (Math.abs(e.clientY - d.y) < 6) return;
      const id = rowsNow.current[d.i]?.id;
      if (id === undefined) return cancel();
      d.ids = pickedNow.current.has(id) ? new Set(pickedNow.current) : new Set([id]);
      autoScroll();
    }
    setDrop(list.current!.at(e.clientY));
  }
  function autoScroll(): void {
    const box = document.querySelector<HTMLElement>('.queuelist');
    if (!box || !drag.current?.ids) return;
    const r = box.getBoundingClientRect(), d = lastY.current < r.top + 24 ? -14 : lastY.current > r.bottom - 24 ? 14 : 0;
    if (d) { box.scrollTop += d; setDrop(list.current!.at(lastY.current)); }
    scroll.current = requestAnimationFrame(autoScroll);
  }
  const end = (): void => { drag.current = null; setDrop(null); cancelAnimationFrame(scroll.current); document.removeEventListener('pointermove', moved); document.removeEventListener('keydown', esc, true); };
  function cancel(): void { end(); }
  function esc(e: KeyboardEvent): void { if (e.key === 'Escape' && drag.current?.ids) { e.preventDefault(); e.stopPropagation(); end(); } }
  const upNow = useRef<(e: PointerEvent) => void>(() => {});
  upNow.current = (e) => {
    const d = drag.current;
    end();
    if (!d) return;
    if (d.ids) put(d.ids, rows[list.current!.at(e.clientY)]?.id ?? (q.trim() ? all[(place.get(rows[rows.length - 1]?.id ?? -1) ?? all.length) + 1]?.id ?? null : null));
    else if (rows[d.i]) pick(d.i, d.shift, d.mod);
  };
  function up(e: PointerEvent): void { upNow.current(e); }

  const undoable = store.undos.find((u) => Date.parse(u.until) > now.value), age = Date.now() - store.saidAt;
  void now.value;
  const p = store.paused, n = picked.size;
  return (
    <>
      <header>
        <h2 id="queue-h">Your queue <span class="n">{num(store.waiting)} waiting</span></h2><span class="grow" />
        {p ? null : <button type="button" class="btn" disabled={!!busy} onClick={() => act('pause', () => 'The queue is paused')}>Pause</button>}
        <span class="menu">
          <button type="button" class="btn" aria-expanded={menu} aria-controls="queue-menu" disabled={!all.length && !undoable} onClick={() => setMenu(!menu)} onKeyDown={(e) => { if (e.key === 'Escape') setMenu(false); }}>Change</button>
          <div id="queue-menu" class="pop" hidden={!menu} onKeyDown={(e) => { if (e.key === 'Escape') setMenu(false); }}>
            <ul>
              <li><button type="button" disabled={!all.length} onClick={() => act('sort', () => 'The longest come first')}>Longest first</button></li>
              <li><button type="button" disabled={!all.length} onClick={() => act('shuffle', () => 'Shuffled')}>Shuffle</button></li>
              <li><button type="button" disabled={!dups} onClick={() => act('dedupe', (k) => `${plural(k, 'duplicate')} removed`)}>Remove duplicates<span class="num">{num(dups)}</span></button></li>
              <li><button type="button" disabled={!all.length} onClick={() => { setPicked(new Set()); act('clear', (k) => `${plural(k, 'test')} removed`, {}, () => []); }}>Remove all<span class="num">{num(store.waiting)}</span></button></li>
              {undoable && <li><button type="button" onClick={() => act('undo', (k) => `${plural(k, 'test')} put back`, { undo: undoable.id })}>Put back {plural(undoable.tests, 'test')}</button></li>}
            </ul>
          </div>
        </span>
      </header>
      {p && <div class="note paused" role="status"><span><b>Paused</b> by {visible(p.by)}, <Ago at={p.at} />. What runs goes on; nothing new starts.</span> <button type="button" class="btn small" disabled={!!busy} onClick={() => act('resume', () => 'The queue goes on')}>Resume</button></div>}
      {store.error.value && <Trouble error={store.error.value} retry={store.retry} before="The queue could not be read again" />}
      {told && <p class={told.bad ? 'note bad told' : 'note told'} role={told.bad ? 'alert' : 'status'}><span>{visible(told.text)}</span>
        {told.undo !== null && <button type="button" class="btn small" onClick={() => act('undo', (k) => `${plural(k, 'test')} put back`, { undo: told.undo })}>Undo</button>}
        {told.again && <button type="button" class="btn small" onClick={told.again}>Do it all the same</button>}
        {told.bad && <button type="button" class="btn small" onClick={() => setTold(null)}>Close</button>}</p>}
      {all.length > 0 && (
        <div class="bar-of">
          <input class="flt" type="search" placeholder="Filter, lang:de-DE" aria-label="Filter the queue" value={q} maxLength={200} onInput={(e) => { setQ(e.currentTarget.value); setAt(0); }}
            onKeyDown={(e) => { if (e.key === 'Escape') { setQ(''); e.currentTarget.blur(); } if (e.key === 'Enter') { e.preventDefault(); list.current?.focus(); } }} />
          <span class="faint num" role="status">{n ? `${num(n)} picked` : q.trim() ? `${num(rows.length)} of ${num(all.length)}` : ''}</span><span class="grow" />
          <span class="seg" role="group" aria-label={n ? `The ${plural(n, 'picked test')}` : 'The test of the row'}>
            <button type="button" class="btn small" disabled={!row} aria-label="To the front" title="To the front (Alt+Home)" onClick={() => { const ids = chosen(); const b = all.find((x) => !ids.has(x.id)); if (b) put(ids, b.id); }}>⤒</button>
            <button type="button" class="btn small" disabled={!row} aria-label="Up" title="Up (Alt+↑)" onClick={() => { const b = step(all, chosen(), true); if (b !== undefined) put(chosen(), b); }}>↑</button>
            <button type="button" class="btn small" disabled={!row} aria-label="Down" title="Down (Alt+↓)" onClick={() => { const b = step(all, chosen(), false); if (b !== undefined) put(chosen(), b); }}>↓</button>
            <button type="button" class="btn small" disabled={!row} aria-label="To the end" title="To the end (Alt+End)" onClick={() => put(chosen(), null)}>⤓</button>
            <button type="button" class="btn small" disabled={!row} title="Remove (Delete)" onClick={() => remove(chosen())}>Remove</button>
          </span>
        </div>
      )}
      {!all.length ? <Empty title={store.waiting ? 'One moment…' : 'Nothing is waiting'}>{store.waiting ? undefined : <><a href="/compose">Compose</a> a launch, or run a list.</>}</Empty>
        : !rows.length ? <Empty title="No test fits the filter" />
          : <VList api={list} class={drop === null ? 'queuelist' : 'queuelist dragging'} count={rows.length} row={ROW} label={`Your queue, ${plural(store.waiting, 'test')}`} role="listbox" multi idBase="q" active={here} hint="queue-keys" onKeyDown={key} onPointerDown={down}
              item={(i, slot) => {
                const x = rows[i], where = (place.get(x.id) ?? i) + 1, starts = p ? '' : startsIn(x.starts_in_ms, age);
                return (
                  <div key={slot} id={`q-${i}`} data-i={i} class="qrow" role="option" aria-selected={picked.has(x.id)} aria-setsize={rows.length} aria-posinset={i + 1} data-here={i === here ? '' : undefined} data-drop={drop === i ? 'before' : drop === rows.length && i === rows.length - 1 ? 'after' : undefined}>
                    <span class="grip" aria-hidden="true">⠿</span>
                    <span class="pos">{num(where)}</span>
                    <span class="file" title={x.path}>{visible(base(x.path))}</span>
                    <span class="when" title={x.predicted_ms !== null ? `takes about ${dur(x.predicted_ms)}` : undefined}>{starts}</span>
                    <span class="sub">{[dir(x.path), x.language, x.browser === 'default' ? '' : x.browser].filter(Boolean).map(visible).join(' · ')}</span>
                    <span class="x" aria-hidden="true" title="Remove">×</span>
                  </div>
                );
              }} />}
      {row && all.length > 0 && rows.length > 0 && (
        <footer class="qfoot">
          <p class="path" title={row.path}>{visible(row.path)}</p>
          <p class="faint">{num((place.get(row.id) ?? 0) + 1)} of {num(store.waiting)} · <a href={`/launches/${row.launch.id}`}>{row.launch.name ? visible(row.launch.name) : `launch #${row.launch.id}`}</a> · {visible(row.project.name)} {visible(row.ref)} <code title={row.commit}>{row.commit.slice(0, 7)}</code> · {[row.location, row.language, row.browser].filter(Boolean).map(visible).join(' · ')}{row.predicted_ms !== null ? ` · takes about ${dur(row.predicted_ms)}` : ''}{row.attempts ? ` · attempt ${row.attempts + 1}` : ''}</p>
          <p>{visible(row.why) || 'Next.'}</p>
        </footer>
      )}
      {store.cut && <p class="note">These are the first {num(all.length)} of {num(store.waiting)}.</p>}
      <p class="sr" id="queue-keys">Space picks, Shift with arrows picks several, Alt with arrows moves, Delete removes.</p>
    </>
  );
}
