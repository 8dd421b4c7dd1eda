/** The head's right end: who is here, and what belongs to a person and not to a screen. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { num, visible } from '../../core/fmt';
import { del } from '../api';
import { setTheme, theme, url, useKey } from '../nav';
import { isAdmin, signInAddress } from '../../core/account';
import { safeNext } from '../../core/route';
import { me } from '../who';
import { usePop } from './usepop';

/** Out, with nothing of this person left on the page. */
export async function signOut(): Promise<void> {
  await del('/session', true).catch((e: { status?: number }) => { if (e.status !== 401) throw e; });
  location.assign('/signin');
}
const PERSON = 'M8 8.2a3.1 3.1 0 1 0 0-6.2 3.1 3.1 0 0 0 0 6.2zM1.9 14.4c.5-2.9 3-4.4 6.1-4.4s5.6 1.5 6.1 4.4';
const THEMES: ['' | 'light' | 'dark', string][] = [['', 'System'], ['light', 'Light'], ['dark', 'Dark']];

export function UserMenu() {
  const m = me.value, [error, setError] = useState('');
  const box = useRef<HTMLDivElement>(null), button = useRef<HTMLButtonElement>(null), { open, setOpen } = usePop(box);
  const at = url.value;
  useEffect(() => setOpen(false), [at.pathname]);
  useKey('g u', 'Open the menu of your account', () => { setOpen(true); button.current?.focus(); });
  const login = m?.accounts ? m.user?.login ?? '' : '', waits = isAdmin(m) ? m!.pending : 0;
  const leave = (): void => { setError(''); signOut().catch((e: Error) => setError(e.message)); };
  return (
    <div class="usermenu" ref={box}>
      <button ref={button} type="button" class="btn ghost" aria-expanded={open} aria-controls="usermenu" onClick={() => setOpen(!open)}>
        <svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d={PERSON} /></svg>{login ? <><span class="sr">Account </span><span class="login">{visible(login)}</span></> : <span class="sr">Menu</span>}
        {waits > 0 && <><span class="sr">, </span><span class="count">{num(waits)}</span><span class="sr"> waiting to be verified</span></>}
      </button>
      <div id="usermenu" class="pop" hidden={!open}>
        {m && !m.accounts && <p class="hint">Accounts are off: everybody who reaches this address may do everything.</p>}
        {login && <ul><li><a href="/account">My account</a></li>{m?.role === 'user' && <li><a href="/admin/hooks">Hooks, cost, what is kept</a></li>}</ul>}
        {isAdmin(m) && <ul aria-label="Admin"><li><a href="/admin/users">Users{waits > 0 && <span class="count">{num(waits)} waiting</span>}</a></li><li><a href="/admin/projects">Projects and more</a></li><li><a href="/admin/audit">Audit log</a></li></ul>}
        <div class="seg" role="group" aria-label="Theme">{THEMES.map(([id, text]) => <button key={id} type="button" class="btn small" aria-pressed={theme.value === id} onClick={() => setTheme(id)}>{text}</button>)}</div>
        {m?.accounts && <ul>{login ? <li><button type="button" onClick={leave}>Sign out</button></li> : <li><a href={signInAddress(safeNext(at.pathname + at.search, at.origin))}>Sign in</a></li>}</ul>}
        {error && <p class="wrong" role="alert">{visible(error)}</p>}
      </div>
    </div>
  );
}
