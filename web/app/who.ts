/** Who uses this page. `me` is null until the server has said it; `over` while somebody has to sign in again. */
import { signal } from './signal';
import type { Me } from '../core/types';

export const me = signal<Me | null>(null);

export interface Over { login: string; promise: Promise<boolean>; end: (signedIn: boolean) => void }
export const over = signal<Over | null>(null);

/** The session is over: true once the same person is in again. One dialog for all calls that wait. */
export function again(): Promise<boolean> {
  const open = over.peek();
  if (open) return open.promise;
  let end: (signedIn: boolean) => void = () => {};
  const promise = new Promise<boolean>((ok) => { end = (yes) => { over.value = null; ok(yes); }; });
  over.value = { login: me.peek()?.user?.login ?? '', promise, end };
  return promise;
}
