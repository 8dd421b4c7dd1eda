/** What a screen loads once and again on request: no stream brings it. */
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Page } from '../../core/types';
import { asError, get, type ApiError } from '../api';

export interface Loaded<T> { data: T | null; error: ApiError | null; load: () => Promise<void>; set: (d: T) => void }
/** `path` null: nothing is asked for yet. */
export function useLoad<T>(path: string | null): Loaded<T> {
  const [data, set] = useState<T | null>(null), [error, setError] = useState<ApiError | null>(null), ac = useRef<AbortController | null>(null);
  const load = async (): Promise<void> => {
    ac.current?.abort();
    if (path === null) return;
    const mine = (ac.current = new AbortController());
    try { const d = await get<T>(path, mine.signal); if (!mine.signal.aborted) { set(d); setError(null); } }
    catch (e) { if (!mine.signal.aborted) setError(asError(e)); }
  };
  useEffect(() => { set(null); setError(null); void load(); return () => ac.current?.abort(); }, [path]);
  return { data, error, load, set };
}

/** `page`: the last page as it came, for what stands beside its items. */
export interface Paged<T, P = Page<T>> { page: P | null; items: T[] | null; more: boolean; busy: boolean; error: ApiError | null; load: () => Promise<void>; next: () => Promise<void>; put: (change: (all: T[]) => T[]) => void }
/** A list that is read page by page, on request; `path` null: nothing is asked for yet; `size` 0: it has one page. */
export function usePages<T, P extends Page<T> = Page<T>>(path: string | null, size = 50): Paged<T, P> {
  const [page, setPage] = useState<P | null>(null), [items, setItems] = useState<T[] | null>(null), [cursor, setCursor] = useState<string | null>(null), [error, setError] = useState<ApiError | null>(null), [busy, setBusy] = useState(false);
  const ac = useRef<AbortController | null>(null);
  const read = async (from: string | null): Promise<void> => {
    ac.current?.abort();
    if (path === null) return;
    const mine = (ac.current = new AbortController());
    setBusy(true); setError(null);
    try {
      const p = await get<P>(size ? `${path}${path.includes('?') ? '&' : '?'}limit=${size}${from ? `&cursor=${encodeURIComponent(from)}` : ''}` : path, mine.signal);
      if (mine.signal.aborted) return;
      setPage(p); setItems((had) => (from && had ? [...had, ...p.items] : p.items)); setCursor(p.next ?? null); setError(null);
    } catch (e) { if (mine.signal.aborted) return; setError(asError(e)); }
    setBusy(false);
  };
  useEffect(() => { void read(null); return () => ac.current?.abort(); }, [path]);
  return { page, items, more: cursor !== null, busy, error, load: () => read(null), next: () => read(cursor), put: (change) => setItems((had) => had && change(had)) };
}
