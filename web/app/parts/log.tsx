import { useEffect, useRef, useState } from 'preact/hooks';
import { bytes, num, plural, visible } from '../../core/fmt';
import type { LogSearch } from '../../core/types';
import { get } from '../api';
import { ERROR_LINE, runs } from '../../core/logbuf';
import { lineRange } from '../../core/route';
import type { LogStore } from '../logstore';
import { replace, url, useKey } from '../nav';
import { Trouble } from './basics';
import { memo } from './memo';
import { VList, type ListApi } from './vlist';

const ROW = 20, MAX_COLUMNS = 2000;

const Row = memo(({ n, text, spans, q, mark }: { n: number; text: string; spans: number[] | null; q: string; mark: boolean }) => (
  <div class="lrow" data-cur={mark ? '' : undefined}>
    <a href={`#L${n}`} tabIndex={-1} aria-label={`Line ${n}`}>{n}</a>
    <code>{runs(text.length > MAX_COLUMNS ? `${text.slice(0, MAX_COLUMNS)} …` : text, spans, q).map((r) => <span class={r.cls}>{r.text}</span>)}{text ? null : '\n'}</code>
  </div>
));

/** Line numbers with a hit; grows while lines arrive and never holds the page for longer than a few milliseconds. */
function useSearch(log: LogStore, q: string | RegExp): number[] {
  const [hits, setHits] = useState<number[]>([]);
  useEffect(() => {
    const ac = new AbortController(), found: number[] = [];
    let shown = 0, pos = 0;
    const flush = () => { shown = performance.now(); setHits(found.slice()); };
    const scan = async () => {
      while (!ac.signal.aborted) {
        const end = log.buf.lines.length, before = found.length;
        await log.buf.search(q, pos, 6, ac.signal, (l) => { found.push(l); if (performance.now() - shown > 100) flush(); });
        if (ac.signal.aborted) return;
        if (found.length !== before || !pos) flush();
        pos = end;
        await new Promise((r) => setTimeout(r, 250));
      }
    };
    if (q) void scan(); else setHits([]);
    return () => ac.abort();
  }, [q, log]);
  return hits;
}

/** What of a long log lies outside of the window is searched by the server, when typing rests. */
function useFar(log: LogStore, q: string): LogSearch | null {
  const [far, setFar] = useState<LogSearch | null>(null), cut = log.skipped.value > 0 || log.state.value === 'part';
  useEffect(() => {
    setFar(null);
    if (!q || !cut) return;
    const ac = new AbortController(), t = setTimeout(() => { get<LogSearch>(`/runs/${log.run}/log/search?${new URLSearchParams({ q, limit: '200' })}`, ac.signal).then(setFar, () => { /* the window is searched all the same */ }); }, 300);
    return () => { clearTimeout(t); ac.abort(); };
  }, [q, cut, log]);
  return far;
}

export function Log({ log, name }: { log: LogStore; name: string }) {
  const count = log.count.value, state = log.state.value, list = useRef<ListApi>(null), box = useRef<HTMLElement>(null), input = useRef<HTMLInputElement>(null);
  const before = log.before.value, asked = lineRange(url.value.hash), linked: [number, number] | null = asked && [asked[0] - before, asked[1] - before];   // lines of the window
  const [follow, setFollow] = useState(!linked), [text, setText] = useState(''), [at, setAt] = useState(-1), seen = useRef(0);
  const q = text.length > 1 ? text : '', hits = useSearch(log, q), errors = useSearch(log, state === 'done' || state === 'live' || state === 'part' ? ERROR_LINE : ''), far = useFar(log, q);
  const [only, setOnly] = useState(false), some = only && q !== '', outside = far?.matches.filter((m) => m.line <= before || m.line > before + count) ?? [];
  const here = q && at >= 0 && at < hits.length ? hits[at] : -1;
  if (follow) seen.current = count;
  const fresh = follow ? 0 : Math.max(0, count - seen.current);

  const wanted = useRef('');
  function jump(d: number) {
    if (!hits.length) return;
    let next = at + d;
    if (at < 0) {                                                     // the first jump starts where one is looking
      const top = list.current!.first(), i = hits.findIndex((l) => l >= top);
      next = d > 0 ? (i < 0 ? 0 : i) : (i <= 0 ? hits.length - 1 : i - 1);
    }
    next = (next + hits.length) % hits.length;
    setAt(next); setFollow(false); list.current!.reveal(some ? next : hits[next]);
  }
  /** From one error line to the next; the address names where one is. */
  function error(d: number) {
    const now = linked ? linked[0] : list.current!.first() - 1, i = d > 0 ? errors.findIndex((l) => l > now) : errors.findLastIndex((l) => l < now);
    if (i < 0) return;
    setFollow(false); setOnly(false);
    replace((u) => { u.hash = wanted.current = `#L${errors[i] + before + 1}`; });
    list.current!.reveal(errors[i]);
  }
  useKey('n', 'Next error line', () => error(1));
  useKey('p', 'Previous error line', () => error(-1));
  const show = (line: number): void => { setFollow(false); wanted.current = ''; void log.around(line).then(() => replace((u) => { u.hash = `#L${line}`; })); };
  // A linked line is shown as soon as it is there, once.
  useEffect(() => {
    if (!linked || wanted.current === url.value.hash) return;
    if (linked[0] < 0 && state !== 'loading' && !log.error.peek()) { wanted.current = url.value.hash; void log.around(asked![0] + 1).then(() => { wanted.current = ''; }); return; }
    if (linked[0] < 0 || linked[0] >= count) return;
    wanted.current = url.value.hash;
    setFollow(false);
    requestAnimationFrame(() => list.current?.reveal(linked[0]));
  });
  useEffect(() => {
    const picked = () => { const s = getSelection(); if (s && !s.isCollapsed && box.current?.contains(s.anchorNode)) setFollow(false); };
    document.addEventListener('selectionchange', picked);
    return () => document.removeEventListener('selectionchange', picked);
  }, []);
  const latest = () => { setFollow(true); if (url.peek().hash) replace((u) => { u.hash = ''; }); if (state === 'part') void log.around(0); };
  useKey('f', 'Follow the end of the log', () => (follow ? setFollow(false) : latest()));
  useKey('/', 'Search the log', () => input.current?.focus());

  function clicked(e: MouseEvent) {
    const a = (e.target as Element).closest?.('a');
    if (!a || !box.current?.contains(a) || !a.hash.startsWith('#L') || e.metaKey || e.ctrlKey) return;
    e.preventDefault();
    const line = lineRange(a.hash)![0], from = e.shiftKey && asked ? asked[0] : line, [lo, hi] = from <= line ? [from, line] : [line, from];
    wanted.current = lo === hi ? `#L${lo + 1}` : `#L${lo + 1}-L${hi + 1}`;
    setFollow(false);
    replace((u) => { u.hash = wanted.current; });
  }
  return (
    <section class="log" ref={box} onClick={clicked} onKeyDown={(e) => { if (e.key === 'f' && (e.ctrlKey || e.metaKey) && document.activeElement !== input.current) { e.preventDefault(); input.current?.focus(); } }}>
      <div class="bar-of">
        <span class="find">
          <input ref={input} type="search" placeholder="Search log" aria-label="Search log" value={text} onInput={(e) => { setText(e.currentTarget.value); setAt(-1); }}
            onKeyDown={(e) => {
              if (e.key === 'Enter') { e.preventDefault(); jump(e.shiftKey ? -1 : 1); }
              if (e.key === 'Escape') { setText(''); e.currentTarget.blur(); list.current?.focus(); }
            }} />
          <output>{q ? (hits.length ? `${at < 0 ? '' : `${num(at + 1)} of `}${num(hits.length)}` : outside.length ? 'not here' : 'no match') : ''}</output>
          <button type="button" class="btn icon" aria-label="Previous match" disabled={!hits.length} onClick={() => jump(-1)}>↑</button>
          <button type="button" class="btn icon" aria-label="Next match" disabled={!hits.length} onClick={() => jump(1)}>↓</button>
        </span>
        {q && <button type="button" class="btn" aria-pressed={only} onClick={() => setOnly(!only)}>Only matches</button>}
        {errors.length > 0 && <span class="seg" role="group" aria-label="Error lines"><button type="button" class="btn icon" aria-label="Previous error line" title="p" onClick={() => error(-1)}>↑</button><button type="button" class="btn" title="Next error line (n)" onClick={() => error(1)}>{plural(errors.length, 'error line')} ↓</button></span>}
        <span class="faint num">{num(count)} lines, {bytes(log.size.value)}{state === 'loading' ? ', loading' : state === 'live' ? ', live' : state === 'part' ? ', a part' : ''}</span>
        <span class="grow" />
        {state !== 'done' && <button type="button" class="btn" aria-pressed={follow} onClick={() => (follow ? setFollow(false) : latest())}>Follow</button>}
        <a class="btn" href={`/api/v1/runs/${log.run}/log?download=1`} download={`run-${log.run}.log`}>Download</a>
      </div>
      {(log.skipped.value > 0 || state === 'part') && <p class="note">The log is long: this is {before ? <>lines {num(before + 1)} to {num(before + count)}</> : <>its last {bytes(log.size.value - log.skipped.value)}</>} of {bytes(log.size.value)}. A search looks at all of it. {(before > 0 || log.skipped.value > 0) && <button type="button" class="btn small" onClick={() => show(1)}>From the first line</button>} {state === 'part' && <button type="button" class="btn small" onClick={latest}>Its end</button>}</p>}
      {outside.length > 0 && <ul class="hits" aria-label="Matches outside of what is shown">{outside.map((m) => <li key={m.line}><button type="button" onClick={() => show(m.line)}><b class="num">{num(m.line)}</b> {visible(m.text.slice(0, 300))}</button></li>)}{far!.next_line !== null && <li class="faint">and more</li>}</ul>}
      {log.error.value && <Trouble error={log.error.value} retry={log.retry} />}
      {count === 0 && state !== 'loading' && !log.error.value
        ? <div class="logbox none"><p>{state === 'done' ? 'The run wrote nothing.' : 'Nothing written yet. Lines appear here as they come.'}</p></div>
        : <VList api={list} class="logbox" count={some ? hits.length : count} row={ROW} label={`Log of ${name}`} follow={follow && !some} onScrolled={(end) => { if (!end && follow) setFollow(false); }}
            item={(k, slot) => { const i = some ? hits[k] : k; return <Row key={slot} n={before + i + 1} text={log.buf.lines[i] ?? ''} spans={log.buf.spans[i] ?? null} q={q} mark={i === here || (linked !== null && i >= linked[0] && i <= linked[1])} />; }} />}
      {fresh > 0 && <button type="button" class="btn latest" onClick={latest}>Jump to latest, {num(fresh)} new</button>}
    </section>
  );
}
