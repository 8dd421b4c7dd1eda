/** Addresses, titles, time and keys: what every screen shares. */
import { visible } from '../core/fmt';
import { signal } from './signal';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

export const url = signal(new URL(location.href));
const sync = (): void => { url.value = new URL(location.href); };

export function go(href: string): void {
  const to = new URL(href, location.href), moved = to.pathname !== location.pathname;
  if (to.href !== location.href) history.pushState(null, '', to);
  sync();
  if (moved) {
    held = ''; all = false;
    scrollTo(0, 0);
    document.getElementById('main')?.focus({ preventScroll: true });
  }
}
/** Changes query or line without a new entry in the history. */
export function replace(change: (u: URL) => void): void {
  const u = new URL(location.href);
  change(u);
  if (u.href !== location.href) { history.replaceState(null, '', u); sync(); }
}
/** One word of the query; none: it goes. */
export const setQuery = (key: string, v: string): void => replace((u) => { if (v) u.searchParams.set(key, v); else u.searchParams.delete(key); });
addEventListener('popstate', sync);
addEventListener('hashchange', sync);
document.addEventListener('click', (e) => {
  if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
  const a = (e.target as Element).closest?.('a');
  if (!a || a.target || a.hasAttribute('download') || a.origin !== location.origin || a.pathname.startsWith('/api/')) return;
  if (a.getAttribute('href')!.startsWith('#')) return;
  e.preventDefault();
  go(a.href);
});

export function useTitle(title: string): void { useEffect(() => { document.title = `${visible(title)} · wrata`; }, [title]); }

/** One clock for everything that ticks. */
export const now = signal(Date.now());
setInterval(() => { if (!document.hidden) now.value = Date.now(); }, 1000);
document.addEventListener('visibilitychange', () => { if (!document.hidden) now.value = Date.now(); });

/** What this browser keeps for its user; '' is kept as nothing, and so is everything in private mode. */
export function recall(what: string): string { try { return localStorage.getItem(what) ?? ''; } catch { return ''; } }
export function remember(what: string, v: string): void { try { if (v) localStorage.setItem(what, v); else localStorage.removeItem(what); } catch { /* private mode */ } }

export interface Key { key: string; text: string; run: () => void }
export const keys = new Set<Key>();
export function useKey(key: string, text: string, run: () => void): void {
  const now = useRef(run);
  now.current = run;
  useLayoutEffect(() => {                                             // with the drawing, not after it: what is seen can be pressed
    const k: Key = { key, text, run: () => now.current() };
    keys.add(k);
    return () => { keys.delete(k); };
  }, [key, text]);
}
const typing = (t: EventTarget | null): boolean => t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName));
/** Keys without Ctrl or Alt can be turned off, for those who speak to their computer. */
export const keysOn = signal(recall('keys') !== 'off');
export function setKeys(on: boolean): void { keysOn.value = on; remember('keys', on ? '' : 'off'); }
let chord = '';
/** Runs what a key means on this page now; false: nothing. */
function press(key: string): boolean {
  const pressed = chord + key;
  chord = '';
  const found = [...keys].reverse().find((k) => k.key === pressed);
  if (found) found.run();
  else if ([...keys].some((k) => k.key.startsWith(`${pressed} `))) { chord = `${pressed} `; setTimeout(() => { chord = ''; }, 1200); return false; }
  return !!found;
}
/*
 * A screen that is still coming does not know its keys: from the first one on that means nothing yet, all wait for it, some and not for
 * long. What a key has led into a field then is text.
 */
const HELD_MAX = 40, HELD_MS = 5000;
let coming = 0, all = false, held = '', heldAt = 0;
const old = (): boolean => Date.now() - heldAt > HELD_MS;
/** While its caller is on the page, a screen is coming. */
export function useComing(): void {
  useLayoutEffect(() => { coming++; return () => { if (!--coming) setTimeout(release); }; }, []);
}
/** What is coming takes whatever is typed. */
export function hold(): void { all = true; }
function release(): void {
  if (coming) return;
  const was = old() ? '' : held;
  held = ''; all = false;
  for (const key of was) if (typing(document.activeElement)) document.execCommand('insertText', false, key); else press(key);
}
/** A space presses what has the focus, and moves the page; it belongs to words only when something was typed before it. */
const pressed = (at: Element): boolean => !held || !!at.closest('button, a, summary, [role]');
document.addEventListener('keydown', (e) => {
  const { key } = e;
  if (held && !coming) release();                                     // before what is typed now
  if (!keysOn.peek() || e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || typing(e.target) || document.querySelector('dialog[open]')) return;
  if (old()) held = '';
  if (!(coming && (all || held)) && press(key)) e.preventDefault();
  else if (coming && !chord && key.length === 1 && held.length < HELD_MAX && !(key === ' ' && pressed(e.target as Element))) { e.preventDefault(); held += key; heldAt = Date.now(); }
});

/** One polite voice for the whole page, at most one message in five seconds. */
export const spoken = signal('');
let next = '', quiet = 0;
export function say(text: string): void {
  next = text;
  if (quiet) return;
  spoken.value = next;
  quiet = setTimeout(() => { quiet = 0; if (next !== spoken.peek()) say(next); }, 5000) as unknown as number;
}

export const theme = signal<'' | 'light' | 'dark'>((document.documentElement.dataset.theme as 'light' | 'dark' | undefined) ?? '');
export function setTheme(t: '' | 'light' | 'dark'): void {
  theme.value = t;
  if (t) document.documentElement.dataset.theme = t; else delete document.documentElement.dataset.theme;
  remember('theme', t);
}
export const nextTheme = (): void => setTheme(theme.peek() === '' ? 'light' : theme.peek() === 'light' ? 'dark' : '');
