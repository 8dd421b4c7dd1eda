/**
 * Deleted, and for ten seconds not yet: what is deleted leaves the page at once, and the server is told when nobody took it back,
 * when something else is deleted, or when the page is left.
 */
import { signal } from './signal';
import { visible } from '../core/fmt';
import { asError } from './api';
import { say } from './nav';

const WAIT_MS = 10_000;
interface Waiting { text: string; names: string[]; send: (leaving: boolean) => Promise<unknown> }
/** "run:12": not to be shown any more. */
export const gone = signal<ReadonlySet<string>>(new Set());
const told = signal<{ text: string; undo: boolean } | null>(null);
let now: Waiting | null = null, timer = 0;

function put(names: string[], on: boolean): void {
  const next = new Set(gone.peek());
  for (const n of names) if (on) next.add(n); else next.delete(n);
  gone.value = next;
}
function commit(leaving = false): void {
  const w = now;
  if (!w) return;
  clearTimeout(timer);
  now = null; told.value = null;
  w.send(leaving).catch((e) => { put(w.names, false); told.value = { text: `${w.text.replace(/ deleted$/, '')} could not be deleted: ${asError(e).message}`, undo: false }; });
}
/** `text`: what is said of it, "3 runs deleted". `send` is called at most once. */
export function deleteLater(text: string, names: string[], send: (leaving: boolean) => Promise<unknown>): void {
  commit();
  now = { text, names, send };
  put(names, true);
  told.value = { text, undo: true };
  say(text);
  timer = setTimeout(commit, WAIT_MS) as unknown as number;
}
function undo(): void {
  clearTimeout(timer);
  if (now) put(now.names, false);
  now = null; told.value = null;
}
addEventListener('pagehide', () => commit(true));

export function Later() {
  const t = told.value;
  if (!t) return null;
  return (
    <p class={t.undo ? 'toast' : 'toast bad'} role={t.undo ? 'status' : 'alert'}>{visible(t.text)}
      {t.undo ? <button type="button" class="btn small" onClick={undo}>Undo</button> : null}
      <button type="button" class="btn ghost small" aria-label="Close" onClick={() => { if (t.undo) commit(); else told.value = null; }}>×</button></p>
  );
}
