/** The timeline of a launch: one canvas whatever the number of bars, a cursor that the arrow keys move, and the same as a table. */
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { base, dur, num, plural, visible } from '../../core/fmt';
import { runFace } from '../../core/state';
import { barAt, calm, clock, marks, timeline, type Bar } from '../../core/timeline';
import type { Run } from '../../core/types';
import { go, now, replace, setQuery, theme, url, useKey } from '../nav';
import { Empty, Glyph } from './basics';
import { VList } from './vlist';

const LANE = 20, NAMES = 116, HEAD = 22;
const word = (b: Bar, from: number): string => `${visible(b.run.path)}, ${b.run.server ? visible(b.run.server.name) : ''}, ${runFace(b.run).word}, ${dur(b.to - b.from)}, began ${clock(b.from)}, ${dur(b.from - from)} after the first`;

export function TimelineTab({ runs, rev, going }: { runs: ReadonlyMap<number | string, Run>; rev: number; going: boolean }) {
  const tick = going ? now.value : 0, t = useMemo(() => timeline(runs.values(), Date.now()), [rev, tick]);
  const table = url.value.searchParams.get('as') === 'table', box = useRef<HTMLDivElement>(null), [at, setAt] = useState(-1);
  const q = (k: string): number => Number(url.value.searchParams.get(k)) || 0, from = q('from') || t.from, to = q('to') || t.to;
  const zoom = (a: number, b: number): void => replace((u) => {
    const whole = a <= t.from && b >= t.to || b - a < 1000;
    for (const [k, v] of [['from', a], ['to', b]] as const) if (whole) u.searchParams.delete(k); else u.searchParams.set(k, String(Math.round(v)));
  });
  const scale = (f: number): void => { const mid = at >= 0 ? t.bars[at].from : (from + to) / 2, half = ((to - from) / 2) * f; zoom(mid - half, mid + half); };
  useKey('+', 'Timeline: nearer', () => scale(0.5));
  useKey('-', 'Timeline: farther', () => scale(2));
  useKey('0', 'Timeline: all of it', () => zoom(0, 0));
  if (!t.bars.length) return <Empty title="Nothing has run yet">Each run becomes a bar here, in the lane of its server.</Empty>;
  const bar = t.bars[at] as Bar | undefined;
  return (
    <div class="timeline">
      <div class="bar-of">
        <span>idle <b class="num">{Math.round(t.idle * 100)} %</b></span>{t.prepare >= 0.005 && <span>bringing code <b class="num">{Math.round(t.prepare * 100)} %</b></span>}
        {t.longest && <span>longest <b class="num">{dur(t.longest.to - t.longest.from)}</b> <a href={`/runs/${t.longest.run.id}`} title={t.longest.run.path}>{visible(base(t.longest.run.path))}</a></span>}
        <span class="faint num">{plural(t.bars.length, 'run')}, {plural(t.lanes.length, 'lane')}</span><span class="grow" />
        {!table && <span class="seg" role="group" aria-label="Zoom"><button type="button" class="btn" aria-label="Farther" title="Farther (−)" onClick={() => scale(2)}>−</button><button type="button" class="btn" aria-label="Nearer" title="Nearer (+)" onClick={() => scale(0.5)}>+</button><button type="button" class="btn" title="All of it (0)" onClick={() => zoom(0, 0)}>All</button></span>}
        <button type="button" class="btn" aria-pressed={table} onClick={() => setQuery('as', table ? '' : 'table')}>As a table</button>
      </div>
      {table ? (
        <VList class="testlist" count={t.bars.length} row={34} label="Runs in the order they began" rowsRole="list" item={(i, slot) => {
          const b = t.bars[i];
          return <div class="trow" role="listitem" key={slot} aria-setsize={t.bars.length} aria-posinset={i + 1}><Glyph face={runFace(b.run)} label /><span class="path" title={b.run.path}><a href={`/runs/${b.run.id}`}>{visible(b.run.path)}</a></span><span class="state">{clock(b.from)}, {dur(b.from - t.from)} after the first</span><span class="server">{visible(b.run.server?.name ?? '')}</span><span class="time num">{dur(b.to - b.from)}</span></div>;
        }} />
      ) : <Lanes t={t} from={from} to={to} at={at} setAt={setAt} zoom={zoom} box={box} />}
      {!table && <p class="path" role="status">{bar ? <><b>{num(at + 1)} of {num(t.bars.length)}</b> <a href={`/runs/${bar.run.id}`}>{word(bar, t.from)}</a></> : <span class="faint">Arrow keys go from bar to bar, Enter opens one; drag to look nearer.</span>}</p>}
    </div>
  );
}

function Lanes({ t, from, to, at, setAt, zoom, box }: { t: ReturnType<typeof timeline>; from: number; to: number; at: number; setAt: (i: number) => void; zoom: (a: number, b: number) => void; box: { current: HTMLDivElement | null } }) {
  const canvas = useRef<HTMLCanvasElement>(null), [size, setSize] = useState({ w: 0, h: 0 }), drag = useRef<number | null>(null), [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const ro = new ResizeObserver(() => setSize({ w: box.current!.clientWidth, h: box.current!.clientHeight }));
    ro.observe(box.current!);
    return () => ro.disconnect();
  }, []);
  const x = (ms: number): number => NAMES + ((ms - from) / Math.max(1, to - from)) * (size.w - NAMES - 8), time = (px: number): number => from + ((px - NAMES) / Math.max(1, size.w - NAMES - 8)) * (to - from);
  useLayoutEffect(() => { if (size.w) draw(canvas.current!, t, { ...size, top, x, from, to, at }); });
  const scheme = theme.value;
  useEffect(() => {                                                    // colours of the canvas come from the page's
    const dark = matchMedia('(prefers-color-scheme: dark)'), again = (): void => setTop((y) => y + 0.001);
    dark.addEventListener('change', again);
    again();
    return () => dark.removeEventListener('change', again);
  }, [scheme]);
  const to_ = (i: number): void => {
    const k = Math.max(0, Math.min(t.bars.length - 1, i)), b = t.bars[k], y = b.lane * LANE, el = box.current!;
    setAt(k);
    if (y < el.scrollTop || y + LANE + HEAD > el.scrollTop + size.h) el.scrollTop = y - size.h / 2;
    if (b.to < from || b.from > to) zoom(b.from - (to - from) / 2, b.from + (to - from) / 2);
  };
  /** The nearest in time of the next lane up or down. */
  const across = (d: number): number => {
    const b = t.bars[Math.max(0, at)];
    for (let l = b.lane + d; l >= 0 && l < t.lanes.length; l += d) { const near = t.lanes[l].bars.reduce((a, c) => (Math.abs(c.from - b.from) < Math.abs(a.from - b.from) ? c : a)); return t.bars.indexOf(near); }
    return at;
  };
  function key(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const steps: Record<string, () => number> = { ArrowRight: () => at + 1, ArrowLeft: () => at - 1, ArrowDown: () => across(1), ArrowUp: () => across(-1), Home: () => 0, End: () => t.bars.length - 1 };
    if (e.key === 'Enter' && at >= 0) go(`/runs/${t.bars[at].run.id}`); else if (e.key in steps) to_(steps[e.key]()); else return;
    e.preventDefault();
  }
  const place = (e: MouseEvent): { px: number; lane: number } => { const r = canvas.current!.getBoundingClientRect(); return { px: e.clientX - r.left, lane: Math.floor((e.clientY - r.top - HEAD + top) / LANE) }; };
  const down = (e: PointerEvent): void => { if (e.button === 0) drag.current = place(e).px; };
  const up = (e: PointerEvent): void => {
    const start = drag.current, p = place(e);
    drag.current = null;
    if (start === null) return;
    if (Math.abs(p.px - start) > 8) { zoom(time(Math.min(start, p.px)), time(Math.max(start, p.px))); return; }
    const hit = barAt(t, p.lane, time(p.px)) ?? barAt(t, p.lane, time(p.px - 3));
    if (hit) setAt(t.bars.indexOf(hit));
  };
  return (
    <div class="lanes" ref={box} tabIndex={0} style={{ height: `min(${HEAD + t.lanes.length * LANE + 18}px, max(280px, calc(100vh - 390px)))` }} role="application" aria-label={`Timeline, ${plural(t.bars.length, 'run')} in ${plural(t.lanes.length, 'lane')}; also as a table`} onKeyDown={key} onScroll={(e) => setTop(e.currentTarget.scrollTop)} onPointerDown={down} onPointerUp={up}
      onDblClick={() => { if (at >= 0) go(`/runs/${t.bars[at].run.id}`); }}
      onWheel={(e) => { if (!e.ctrlKey) return; e.preventDefault(); const p = time(place(e).px), f = e.deltaY > 0 ? 1.25 : 0.8; zoom(p - (p - from) * f, p + (to - p) * f); }}>
      <canvas ref={canvas} aria-hidden="true" />
      <div style={{ height: `${HEAD + t.lanes.length * LANE}px` }} />
    </div>
  );
}

/** Lanes of one server stand together: its name is said once. */
function laneName(t: ReturnType<typeof timeline>, l: number): string {
  const at = (i: number): Run | undefined => t.lanes[i]?.bars[0].run, r = at(l)!;
  return at(l - 1)?.server?.id === r.server!.id ? `   slot ${r.slot}` : r.slot ? `${visible(r.server!.name)}, slot ${r.slot}` : visible(r.server!.name);
}
interface View { w: number; h: number; top: number; x: (ms: number) => number; from: number; to: number; at: number }
/** Only what is in sight: lanes by the scroll, bars by the time. */
function draw(c: HTMLCanvasElement, t: ReturnType<typeof timeline>, v: View): void {
  const css = getComputedStyle(c), of = (name: string): string => css.getPropertyValue(`--${name}`), dpr = devicePixelRatio || 1, g = c.getContext('2d')!;
  const colour = { calm: of('calm'), bad: of('fail-fill'), off: of('off'), run: of('run') };
  if (c.width !== Math.round(v.w * dpr) || c.height !== Math.round(v.h * dpr)) { c.width = Math.round(v.w * dpr); c.height = Math.round(v.h * dpr); c.style.width = `${v.w}px`; c.style.height = `${v.h}px`; c.style.marginBottom = `-${v.h}px`; }
  g.setTransform(dpr, 0, 0, dpr, 0, 0);
  g.clearRect(0, 0, v.w, v.h);
  g.font = `11px ${of('ui')}`; g.textBaseline = 'middle';
  const first = Math.max(0, Math.floor(v.top / LANE)), last = Math.min(t.lanes.length, Math.ceil((v.top + v.h - HEAD) / LANE));
  const chosen = t.bars[v.at];
  g.save();
  g.beginPath(); g.rect(NAMES, HEAD, v.w - NAMES, v.h - HEAD); g.clip();
  g.fillStyle = of('line');
  for (const m of marks(v.from, v.to, Math.max(2, v.w / 110))) g.fillRect(Math.round(v.x(m)), HEAD, 1, v.h);
  for (let l = first; l < last; l++) {
    const y = HEAD + l * LANE - v.top;
    for (const b of t.lanes[l].bars) {
      if (b.to < v.from || b.at > v.to) continue;
      const a = v.x(b.from), w = Math.max(1.5, v.x(b.to) - a - 1), tone = calm(b.run.outcome), tall = tone === 'bad' ? 12 : 8, up = y + (LANE - tall) / 2;
      if (b.from - b.at > 500) { g.fillStyle = of('boot'); g.globalAlpha = 0.35; g.fillRect(v.x(b.at), y + 8, a - v.x(b.at), 4); g.globalAlpha = 1; }
      g.fillStyle = colour[tone]; g.fillRect(a, up, w, tall);
      if (tone === 'bad') {                                              // failed is hatched, not only red
        g.save(); g.beginPath(); g.rect(a, up, w, tall); g.clip(); g.strokeStyle = of('surface'); g.globalAlpha = 0.55; g.beginPath();
        for (let s = a - tall; s < a + Math.min(w, v.w); s += 5) { g.moveTo(s, up + tall); g.lineTo(s + tall, up); }
        g.stroke(); g.restore();
      }
      if (b === chosen) { g.strokeStyle = of('accent'); g.lineWidth = 2; g.strokeRect(a - 2, y + 2, w + 4, LANE - 4); g.lineWidth = 1; }
    }
  }
  g.restore();
  g.fillStyle = of('muted');
  for (const m of marks(v.from, v.to, Math.max(2, v.w / 110))) if (v.x(m) < v.w - 40) g.fillText(clock(m), v.x(m) + 4, HEAD / 2);
  for (let l = first; l < last; l++) { const y = HEAD + l * LANE - v.top + LANE / 2; const n = laneName(t, l); if (y > HEAD) g.fillText(n.length > 17 ? `${n.slice(0, 16)}…` : n, 6, y); }
}
