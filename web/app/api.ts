/** Requests to /api/v1. Every failure is an ApiError with words a person can act on. */
import type { Page } from '../core/types';

export class ApiError extends Error {
  constructor(public status: number, public code: string, message: string, public request = '') { super(message); }
}
const reach = (): ApiError => new ApiError(0, 'OFFLINE', 'The server cannot be reached.');

async function fail(r: Response): Promise<never> {
  let e: { code?: string; message?: string; request_id?: string } = {};
  try { e = ((await r.json()) as { error?: typeof e }).error ?? {}; } catch { /* not ours, a proxy's page perhaps */ }
  throw new ApiError(r.status, e.code ?? 'IO', e.message ?? `The server answered ${r.status}.`, e.request_id);
}
async function call(path: string, init?: RequestInit): Promise<Response> {
  let r: Response;
  try { r = await fetch(`/api/v1${path}`, { cache: 'no-store', ...init }); }
  catch (e) { if ((e as Error).name === 'AbortError') throw e; throw reach(); }
  return r.ok ? r : fail(r);
}
export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const r = await call(path, { signal });
  try { return (await r.json()) as T; } catch (e) { if ((e as Error).name === 'AbortError') throw e; throw reach(); }
}
export async function post<T>(path: string): Promise<T> {
  return (await (await call(path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' })).json()) as T;
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
