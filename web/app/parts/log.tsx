import { useEffect, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { bytes, dur, num, plural, stamp, visible } from '../../core/fmt';
import { ERROR_LINE, runs, type Run } from '../../core/logbuf';
import { OWN, Rows, below, cut, foldable, phases } from '../../core/logview';
import { lineRange } from '../../core/route';
import type { LogStore } from '../logstore';
import { recall, remember, replace, url, useKey } from '../nav';
import { Trouble } from './basics';
import { RULER, useColumns, useFar, useSearch, useTimes } from './loghooks';
import { nearest, Rail } from './lograil';
import { memo } from './memo';
import { VList, type ListApi } from './vlist';

const ROW = 20, TIMES = [['', 'No times'], ['since', 'Since the start'], ['clock', 'Clock']];

/** What a line is made of; an address is one link, whatever hits and colours are in it. */
function pieces(all: Run[]) {
  const out = [];
  for (let i = 0, from = 0; i < all.length; from = i) {
    const { href } = all[i];
    while (i < all.length && all[i].href === href) i++;
    const spans = all.slice(from, i).map((r) => <span class={r.cls}>{r.text}</span>);
    if (href) out.push(<a href={href} target="_blank" rel="noopener noreferrer">{spans}</a>); else out.push(...spans);
  }
  return out;
}
/** `time`: null, there is no such column. `phase`: what a line of ours says of what it stands for; `shut`: it is folded. */
const Row = memo(({ n, text, spans, q, mark, rows, time, phase, shut }: { n: number; text: string; spans: number[] | null; q: string; mark: boolean; rows: number; time: string | null; phase: string; shut: boolean | undefined }) => (
  <div class="lrow" data-cur={mark ? '' : undefined} style={rows > 1 ? { minHeight: `${rows * ROW}px` } : undefined}>
    <a href={`#L${n}`} tabIndex={-1} aria-label={`Line ${n}`}>{n}</a>
    {time !== null && <time>{time.slice(0, -4)}<i>{time.slice(-4)}</i></time>}
    <code>{phase && (shut === undefined ? <span class="phase">{phase}</span> : <button type="button" class="phase" tabIndex={-1} data-line={n} aria-expanded={!shut}>{shut ? '▸' : '▾'} {phase}</button>)}{pieces(runs(cut(text), spans, q))}{text ? null : '\n'}</code>
  </div>
));

export function Log({ log, name }: { log: LogStore; name: string }) {
  const { buf } = log, end = log.end.value, state = log.state.value, list = useRef<ListApi>(null), box = useRef<HTMLElement>(null), input = useRef<HTMLInputElement>(null), [, draw] = useState({});
  // A line is called by the number that the buffer gives it, from 0; in the log `zero` more lie before it.
  const before = log.before.value, zero = log.zero(), count = end - buf.base, asked = lineRange(url.value.hash), linked: [number, number] | null = asked && [asked[0] - zero, asked[1] - zero];
  const [follow, setFollow] = useState(!linked), [text, setText] = useState(''), [here, setHere] = useState(-1), [only, setOnly] = useState(false);
  const q = text.length > 1 ? text : '', found = useSearch(log, q), hits = found.lines, errors = useSearch(log, ERROR_LINE), own = useSearch(log, OWN).lines, far = useFar(log, q), some = only && q !== '';
  const outside = far?.matches.filter((m) => m.line <= before || m.line > before + count) ?? [];
  if (follow) log.seen = end;
  log.held = !follow || some;
  const fresh = follow ? 0 : end - log.seen;

  const [wrap, setWrap] = useState(recall('log.wrap') !== ''), [times, setTimes] = useState(recall('log.times')), ruler = useColumns(wrap && count > 0), { cols } = ruler;
  const made = useMemo(() => phases(own, (l) => buf.text(l)), [own]), may = useMemo(() => foldable(made, errors.lines).filter((p) => p.end <= errors.to), [made, errors]), [opened, setOpened] = useState<readonly number[]>([]);
  useTimes(log, times !== '' || made.length > 0);
  const folded = may.filter((p) => !opened.includes(p.at));
  const rows = useRef(new Rows()).current.update(buf, cols, some ? hits : null, folded), at = useRef(0), wanted = useRef<[line: number, lead?: number] | null>(null);
  const laid = useRef(''), layout = `${cols} ${times} ${some} ${folded.map((p) => p.at)}`;

  /** Scrolls to a line when the page is drawn; what hides it opens. */
  function reveal(line: number, lead?: number): void {
    calm(); setFollow(false); setOpened((o) => [...o, ...may.filter((p) => line > p.at && line < p.end).map((p) => p.at)]); draw({});
    wanted.current = [line, lead];
  }
  // When lines change their height, the one at the top stays there.
  useLayoutEffect(() => {
    const [line, lead] = wanted.current ?? [at.current, 0];
    if (list.current && (wanted.current || (laid.current !== layout && !follow))) { at.current = line; list.current.reveal(rows.index(line), lead); }
    wanted.current = null; laid.current = layout;
  });

  // Who presses Enter before anything is found goes to the first hit when it is.
  // Not when there is none in what there was, nor when he does something else in the meantime.
  const hurry = useRef([0, 0]), calm = () => { hurry.current = [0, 0]; };
  useEffect(() => { if (hits.length && hurry.current[0]) jump(hurry.current[0]); else if (state !== 'loading' && found.to >= hurry.current[1]) calm(); });
  const first = () => (list.current ? rows.line(list.current.first()) : 0);
  function jump(d: number) {
    hurry.current = [d, end];
    if (!hits.length) return;
    // The first jump starts where one is looking.
    const i = d > 0 ? below(hits, here >= 0 ? here : first() - 1) + 1 : below(hits, (here >= 0 ? here : first()) - 1), to = hits[(i + hits.length) % hits.length];
    setHere(to); reveal(to);
  }
  const shown = useRef('');
  /** From one error line to the next; the address names where one is. */
  function error(line: number | undefined) {
    if (line === undefined) return;
    setOnly(false); reveal(line);
    replace((u) => { u.hash = shown.current = `#L${line + zero + 1}`; });
  }
  const step = (d: number) => { const now = linked ? linked[0] : first() - 1; error(errors.lines[d > 0 ? below(errors.lines, now) + 1 : below(errors.lines, now - 1)]); };
  useKey('n', 'Next error line', () => step(1));
  useKey('p', 'Previous error line', () => step(-1));
  const show = (line: number): void => { setFollow(false); shown.current = url.value.hash; void log.around(line).then((there) => { if (there) { shown.current = ''; replace((u) => { u.hash = `#L${line}`; }); draw({}); } }); };
  const earlier = (): void => { setFollow(false); void log.earlier().then((there) => { if (there) reveal(before - log.zero(), 0); }); };
  // A linked line is shown as soon as it is there, once, and asked for once.
  const tried = useRef('');
  useEffect(() => {
    const { hash } = url.value;
    if (tried.current !== hash) tried.current = '';
    if (!linked || shown.current === hash) return;
    const out = linked[0] < buf.base || (state === 'part' && linked[0] >= end);
    if (out && !tried.current && state !== 'loading' && !log.error.peek()) { tried.current = hash; void log.around(asked![0] + 1); }
    if (out || linked[0] >= end) return;
    shown.current = hash;
    reveal(linked[0]);
  });
  useEffect(() => {
    const picked = () => { const s = getSelection(); if (s && !s.isCollapsed && box.current?.contains(s.anchorNode)) setFollow(false); };
    document.addEventListener('selectionchange', picked);
    return () => document.removeEventListener('selectionchange', picked);
  }, []);
  const latest = () => { calm(); setFollow(true); if (url.peek().hash) replace((u) => { u.hash = ''; }); if (log.away()) void log.around(0); };
  const setting = (what: string, v: string, set: () => void) => { at.current = first(); remember(what, v); set(); };
  const toWrap = () => setting('log.wrap', wrap ? '' : '1', () => setWrap(!wrap)), toTimes = (v: string) => setting('log.times', v, () => setTimes(v));
  useKey('f', 'Follow the end of the log', () => (follow ? setFollow(false) : latest()));
  useKey('/', 'Search the log', () => input.current?.focus());
  useKey('w', 'Wrap long lines', toWrap);
  useKey('T', 'Times of lines: none, since the start, by the clock', () => toTimes(TIMES[(TIMES.findIndex((t) => t[0] === times) + 1) % 3][0]));
  const toFold = () => { at.current = first(); setOpened(folded.length ? may.map((p) => p.at) : []); };
  useKey('e', 'Fold what was done before the script, or show it', toFold);

  /** A link stays what it is from when somebody takes hold of it. */
  const hold = (e: Event): void => { if ((e.target as Element).closest?.('.lrow a')) setFollow(false); };
  function clicked(e: MouseEvent) {
    const to = e.target as Element, rail = to.closest?.('.rail'), mark = rail && nearest(rail, e.clientY, rows, errors.lines, hits), fold = to.closest?.<HTMLElement>('button.phase');
    if (fold) { const p = Number(fold.dataset.line) - zero - 1; at.current = first(); setOpened(opened.includes(p) ? opened.filter((x) => x !== p) : [...opened, p]); return; }
    if (mark != null) { if (hits.includes(mark)) { setHere(mark); reveal(mark); } else error(mark); }
    const a = to.closest?.('a');
    if (!a || !box.current?.contains(a) || !a.getAttribute('href')!.startsWith('#L') || e.metaKey || e.ctrlKey) return;
    e.preventDefault();
    const line = lineRange(a.hash)![0], from = e.shiftKey && asked ? asked[0] : line, [lo, hi] = from <= line ? [from, line] : [line, from];
    shown.current = lo === hi ? `#L${lo + 1}` : `#L${lo + 1}-L${hi + 1}`;
    setFollow(false);
    replace((u) => { u.hash = shown.current; });
  }
  /** What a line says of the phase that it begins: how much there is, how long it took. */
  function phase(line: number): string {
    const p = made.find((x) => x.at === line), from = p && log.times.at(line + zero + 1), to = p && log.times.at(p.end + zero + 1);
    return p ? plural(p.end - line - 1, 'line') + (from && to ? `, ${dur(to - from)}` : '') : '';
  }
  const time = (n: number): string => { const ms = log.times.at(n); return ms === null ? '' : stamp(ms, times === 'since' ? log.began : null); };
  const part = state === 'part', whole = part ? log.lines : before + count, short = log.skipped.value > 0 || part;
  return (
    <section class="log" ref={box} data-wrap={cols ? '' : undefined} style={{ '--cols': cols }} onClick={clicked} onWheelCapture={calm} onKeyDownCapture={calm} onFocusIn={hold} onPointerDownCapture={(e) => { calm(); hold(e); }} onKeyDown={(e) => { if (e.key === 'f' && (e.ctrlKey || e.metaKey) && document.activeElement !== input.current) { e.preventDefault(); input.current?.focus(); } }}>
      <div class="bar-of">
        <span class="find">
          <input ref={input} type="search" placeholder="Search log" aria-label="Search log" value={text} onInput={(e) => { calm(); setText(e.currentTarget.value); setHere(-1); }}
            onKeyDown={(e) => {
              if (e.key === 'Enter') { e.preventDefault(); jump(e.shiftKey ? -1 : 1); }
              if (e.key === 'Escape') { setText(''); e.currentTarget.blur(); list.current?.focus(); }
            }} />
          <output>{q ? (hits.length ? `${here < 0 ? '' : `${num(below(hits, here) + 1)} of `}${num(hits.length)}` : outside.length ? 'not here' : 'no match') : ''}</output>
          <button type="button" class="btn icon" aria-label="Previous match" disabled={!hits.length} onClick={() => jump(-1)}>↑</button>
          <button type="button" class="btn icon" aria-label="Next match" disabled={!hits.length} onClick={() => jump(1)}>↓</button>
        </span>
        {q && <button type="button" class="btn" aria-pressed={only} onClick={() => setOnly(!only)}>Only matches</button>}
        {errors.lines.length > 0 && <span class="seg" role="group" aria-label="Error lines"><button type="button" class="btn icon" aria-label="Previous error line" title="p" onClick={() => step(-1)}>↑</button><button type="button" class="btn" title="Next error line (n)" onClick={() => step(1)}>{plural(errors.lines.length, 'error line')} ↓</button></span>}
        <span class="faint num">{num(whole)} lines, {bytes(log.size.value)}{state === 'loading' ? ', loading' : state === 'live' ? ', live' : part ? ', a part' : ''}</span>
        <span class="grow" />
        {may.length > 0 && <button type="button" class="btn" title="e" aria-pressed={folded.length > 0} onClick={toFold}>Fold preparation</button>}
        <button type="button" class="btn" title="w" aria-pressed={wrap} onClick={toWrap}>Wrap</button>
        <select aria-label="Times of lines" title="T" value={times} onChange={(e) => toTimes(e.currentTarget.value)}>{TIMES.map(([v, t]) => <option key={v} value={v} selected={v === times}>{t}</option>)}</select>
        {state !== 'done' && <button type="button" class="btn" aria-pressed={follow} onClick={() => (follow ? setFollow(false) : latest())}>Follow</button>}
        <a class="btn" href={`/api/v1/runs/${log.run}/log?download=1`} download={`run-${log.run}.log`}>Download</a>
      </div>
      {short && count > 0 && <p class="note">Showing lines {num(before + 1)} to {num(before + count)} of {num(whole)}. A search looks at all of them.{' '}
        {before > 0 && <><button type="button" class="btn small" onClick={earlier}>Load earlier</button> <button type="button" class="btn small" onClick={() => show(1)}>From the first line</button></>}{' '}
        {part && <><button type="button" class="btn small" onClick={() => show(before + count)}>Load later</button> <button type="button" class="btn small" onClick={latest}>Its end</button></>}</p>}
      {outside.length > 0 && <ul class="hits" aria-label="Matches outside of what is shown">{outside.map((m) => <li key={m.line}><button type="button" onClick={() => show(m.line)}><b class="num">{num(m.line)}</b> {visible(m.text.slice(0, 300))}</button></li>)}{far!.next_line !== null && <li class="faint">and more</li>}</ul>}
      {log.error.value && <Trouble error={log.error.value} retry={log.retry} />}
      {count === 0 && state !== 'loading' && !log.error.value
        ? <div class="logbox none"><p>{state === 'done' ? 'The run wrote nothing.' : 'Nothing written yet. Lines appear here as they come.'}</p></div>
        : <div class="logview">
            <VList api={list} class="logbox" count={rows.count} row={ROW} rows={rows} label={`Log of ${name}`} follow={follow && !some} onScrolled={(bottom) => { at.current = first(); if (!bottom && follow) setFollow(false); }}
              onKeyDown={(e) => { if (e.key === 'End' && state !== 'done') latest(); }}
              ruler={<div class="ruler" aria-hidden="true"><a />{times && <time />}<code ref={ruler.line}><i>{'0'.repeat(RULER)}</i></code></div>}
              item={(k, slot) => { const l = rows.line(k), n = zero + l + 1; return <Row key={slot} n={n} text={buf.text(l)} spans={buf.spans[l - buf.base] ?? null} q={q} mark={l === here || (linked !== null && l >= linked[0] && l <= linked[1])} rows={rows.top(k + 1) - rows.top(k)} time={times ? time(n) : null} phase={made.length ? phase(l) : ''} shut={may.some((p) => p.at === l) ? !opened.includes(l) : undefined} />; }} />
            <Rail rows={rows} version={`${layout} ${Math.round(Math.log(rows.top(rows.count) + 1) * 200)}`} errors={errors.lines} hits={hits} />
          </div>}
      {fresh > 0 && <button type="button" class="btn latest" onClick={latest}>Jump to latest, {num(fresh)} new</button>}
    </section>
  );
}
