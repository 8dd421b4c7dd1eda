/** Requests to /api/v1. Every failure is an ApiError with words a person can act on. */
import type { Me, Page } from '../core/types';
import { again, me } from './who';

export class ApiError extends Error {
  /** When a try may succeed again (of Date.now()); 0: not said. */
  until: number;
  constructor(public status: number, public code: string, message: string, public request = '', public field = '', wait = 0) {
    super(message);
    this.until = wait > 0 ? Date.now() + wait * 1000 : 0;
  }
}
const reach = (): ApiError => new ApiError(0, 'OFFLINE', 'The server cannot be reached.');
export const asError = (e: unknown): ApiError => (e instanceof ApiError ? e : new ApiError(0, 'IO', String((e as Error).message)));

async function failure(r: Response): Promise<ApiError> {
  let e: { code?: string; message?: string; request_id?: string; field?: string; retry_after_s?: number } = {};
  try { e = ((await r.json()) as { error?: typeof e }).error ?? {}; } catch { /* not ours, a proxy's page perhaps */ }
  return new ApiError(r.status, e.code ?? 'IO', e.message ?? `The server answered ${r.status}.`, e.request_id, e.field, e.retry_after_s ?? Number(r.headers.get('retry-after') ?? 0));
}
interface Ask extends RequestInit { /** A 401 is this call's own answer, not the end of a session. */ quiet?: boolean }
async function call(path: string, { quiet, ...init }: Ask = {}): Promise<Response> {
  for (let fresh = false; ;) {
    const csrf = init.method ? me.peek()?.csrf : null;
    let r: Response;
    try { r = await fetch(`/api/v1${path}`, { cache: 'no-store', ...init, headers: { ...init.headers, ...(csrf ? { 'x-csrf-token': csrf } : {}) } }); }
    catch (e) { if ((e as Error).name === 'AbortError') throw e; throw reach(); }
    if (r.ok) return r;
    const e = await failure(r);
    if (e.code === 'CSRF' && !fresh) { fresh = true; await loadMe(); continue; }      // signed in anew in another tab
    if (e.status === 401 && !quiet && await again()) continue;
    throw e;
  }
}
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> { return body<T>(await call(path, { signal })); }
async function body<T>(r: Response): Promise<T> {
  try { return (await r.json()) as T; } catch (e) { if ((e as Error).name === 'AbortError') throw e; throw reach(); }
}
export async function post<T>(path: string, data: unknown = {}, quiet = false, keepalive = false): Promise<T> {
  return body<T>(await call(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(data), quiet, ...(keepalive ? { keepalive } : {}) }));
}
export async function del<T>(path: string, quiet = false, keepalive = false): Promise<T> { return body<T>(await call(path, { method: 'DELETE', quiet, ...(keepalive ? { keepalive } : {}) })); }
/** Who the server takes us for. Whoever was in and is not any more keeps the page; the dialog asks when something is refused. */
export async function loadMe(): Promise<Me> {
  const m = await body<Me>(await call('/me', { quiet: true }));
  if (m.user || !me.peek()?.user) me.value = m;
  return m;
}

/** Walks a list page by page; `take` sees each page as it comes and may end the walk. */
export async function pages<T>(path: string, signal: AbortSignal, take: (items: T[]) => boolean | void): Promise<void> {
  const glue = path.includes('?') ? '&' : '?';
  for (let cursor: string | null = ''; cursor !== null;) {
    const p: Page<T> = await get<Page<T>>(`${path}${glue}limit=500${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`, signal);
    if (take(p.items) === false) return;
    cursor = p.next;
  }
}
export interface LogPart { from: number; to: number; size: number; complete: boolean; bytes: Uint8Array }
export async function logPart(run: number, query: string, signal: AbortSignal): Promise<LogPart> {
  const r = await call(`/runs/${run}/log?${query}`, { signal });
  const n = (k: string): number => Number(r.headers.get(`x-log-${k}`) ?? 0);
  let bytes: Uint8Array;
  try { bytes = new Uint8Array(await r.arrayBuffer()); } catch (e) { if ((e as Error).name === 'AbortError') throw e; throw reach(); }
  return { from: n('from'), to: n('to'), size: n('size'), complete: n('complete') === 1, bytes };
}
