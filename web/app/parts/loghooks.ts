/** What the log view finds out beside: hits, hits elsewhere, times, how many columns there are. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { LogSearch } from '../../core/types';
import { get } from '../api';
import type { LogStore } from '../logstore';

/** Lines with a hit, and up to where was looked. Grows while lines arrive and never holds the page for longer than a few milliseconds. */
export interface Found { lines: number[]; to: number; q?: string | RegExp }
const NONE: Found = { lines: [], to: 0 };
export function useSearch(log: LogStore, q: string | RegExp): Found {
  const [hits, setHits] = useState(NONE);
  useEffect(() => {
    const ac = new AbortController(), { buf } = log;
    let found: number[] = [], told = NONE, shown = 0, pos = 0, epoch = buf.epoch;
    const flush = (to: number) => {
      shown = performance.now();
      if (found[0] < buf.base) found = found.filter((l) => l >= buf.base);
      else if (found.length === told.lines.length && to === told.to) return;
      setHits(told = { lines: found.length === told.lines.length && found[0] === told.lines[0] ? told.lines : found.slice(), to, q });
    };
    const scan = async () => {
      while (!ac.signal.aborted) {
        if (epoch !== buf.epoch) { epoch = buf.epoch; pos = 0; found = []; }
        const end = buf.end;
        await buf.search(q, Math.max(pos, buf.base), 6, ac.signal, (l) => { found.push(l); if (performance.now() - shown > 100) flush(l); });
        if (ac.signal.aborted) return;
        if (epoch === buf.epoch) flush(pos = end);
        await new Promise((r) => setTimeout(r, 250));
      }
    };
    if (q) void scan();
    return () => ac.abort();
  }, [q, log]);
  return hits.q === q ? hits : NONE;                                   // not those of what was searched before
}

/** What of a long log lies outside of the window is searched by the server, when typing rests. */
export function useFar(log: LogStore, q: string): LogSearch | null {
  const [far, setFar] = useState<LogSearch | null>(null), part = log.skipped.value > 0 || log.state.value === 'part';
  useEffect(() => {
    setFar(null);
    if (!q || !part) return;
    const ac = new AbortController(), t = setTimeout(() => { get<LogSearch>(`/runs/${log.run}/log/search?${new URLSearchParams({ q, limit: '200' })}`, ac.signal).then(setFar, () => { /* the window is searched all the same */ }); }, 300);
    return () => { clearTimeout(t); ac.abort(); };
  }, [q, part, log]);
  return far;
}

/** Keeps the times of the log's lines, as long as somebody wants them. */
export function useTimes(log: LogStore, wanted: boolean): void {
  const [, draw] = useState({});
  useEffect(() => {
    if (!wanted) return;
    const ac = new AbortController();
    void (async () => {
      while (!ac.signal.aborted) {
        if (await log.time(ac.signal).catch(() => false)) draw({});     // else a column stays empty, and is asked for again
        await new Promise((r) => setTimeout(r, log.state.peek() === 'loading' ? 100 : 1000));
      }
    })();
    return () => ac.abort();
  }, [wanted, log]);
}

/** Columns that a line has; 0: nobody asked. Measured at a line that is never shown, whose one child is `RULER` columns wide. */
export const RULER = 50;
export function useColumns(wanted: boolean) {
  const line = useRef<HTMLElement>(null), [cols, setCols] = useState(0);
  useLayoutEffect(() => {
    const el = line.current;
    if (!wanted || !el) { setCols(0); return; }
    const measure = () => setCols(Math.max(8, Math.floor((el.clientWidth * RULER) / el.firstElementChild!.getBoundingClientRect().width) - 1));
    const ro = new ResizeObserver(measure);
    measure();
    for (const x of [el, el.firstElementChild!]) ro.observe(x);
    return () => ro.disconnect();
  }, [wanted]);
  return { line, cols };
}
