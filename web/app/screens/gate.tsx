/** The way in: sign in, sign up, a forgotten password, one-time links, and waiting to be verified. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { visible } from '../../core/fmt';
import { safeNext } from '../../core/route';
import type { Me } from '../../core/types';
import { ApiError, asError, loadMe, post } from '../api';
import { linkToken } from '../fragment';
import { go, url, useTitle } from '../nav';
import { Dialog, Failed, Skeleton } from '../parts/basics';
import { Act, checkPassword, Field, Form, passwordHint, useForm } from '../parts/form';
import { me, over } from '../who';
import { signOut } from '../parts/usermenu';

function Gate({ title, children, below }: { title: string; children: ComponentChildren; below?: ComponentChildren }) {
  useTitle(title);
  return <div class="gate"><section class="card"><h1>{title}</h1>{children}</section>{below && <div class="below">{below}</div>}</div>;
}
const next = (): string => safeNext(url.peek().searchParams.get('next'), location.origin);
/** The same address with where to go kept. */
const keep = (path: string): string => `${path}${url.value.search.includes('next=') ? url.value.search : ''}`;
function Off() {
  return <Gate title="Accounts are off"><p>Everybody who reaches this address may do everything; nobody signs in.</p><p class="acts"><a class="btn primary" href="/">Go to the board</a></p></Gate>;
}
/** Already in: nothing to do here. */
function useLeave(m: Me, there: () => string): boolean {
  const leave = m.user !== null && m.accounts;
  useEffect(() => { if (leave) go(there()); }, [leave]);
  return leave;
}

function signInForm(login: string, done: (m: Me) => void) {
  return useForm(async (v) => done(await post<Me>('/session', { login: login || v.login, password: v.password }, true)));
}
export function SignIn() {
  const m = me.value!;
  const f = signInForm('', (now) => { me.value = now; go(next()); });
  if (useLeave(m, next)) return null;
  if (!m.accounts) return <Off />;
  const deleted = url.value.searchParams.has('deleted');
  return (
    <Gate title="Sign in" below={<>{m.sign_up && <p>New here? <a href={keep('/signup')}>Create an account</a></p>}<p><a href="/forgot">Forgot the password?</a></p></>}>
      {deleted && <p class="note" role="status">Your account is deleted.</p>}
      {m.needs_admin && <p class="note">Nobody can sign in as an admin yet. Open the address that <code>wrata serve</code> printed when it started, or run <code>wrata user add LOGIN --admin</code> on its host.</p>}
      <Form f={f} label="Sign in" submit="Sign in" busy="Signing in…">
        <Field f={f} name="login" label="Login" complete="username" required focus />
        <Field f={f} name="password" label="Password" type="password" complete="current-password" required max={1000} />
      </Form>
    </Gate>
  );
}
/** Over the page, when a call was refused because the session is over: what is on the page stays, and the call goes on after it. */
export function SessionOver() {
  const o = over.value;
  return <Dialog title="Your session is over" open={o !== null} close={() => over.peek()?.end(false)}>{o && <Again login={o.login} />}</Dialog>;
}
function Again({ login }: { login: string }) {
  const f = signInForm(login, (m) => {
    const same = m.user?.id === me.peek()?.user?.id;
    me.value = m;
    if (same) over.peek()?.end(true); else location.reload();
  });
  return (
    <>
      <p>Sign in again to go on where you were. Nothing on the page is lost.</p>
      <Form f={f} label="Sign in again" submit="Sign in" busy="Signing in…" extra={<><button type="button" class="btn" onClick={() => over.peek()?.end(false)}>Not now</button><a class="quiet" href="/signin" onClick={(e) => { e.preventDefault(); location.assign('/signin'); }}>Somebody else</a></>}>
        <Field f={f} name="login" label="Login" complete="username" value={login} readOnly={login !== ''} required />
        <Field f={f} name="password" label="Password" type="password" complete="current-password" required focus max={1000} />
      </Form>
    </>
  );
}

export function SignUp() {
  const m = me.value!;
  const f = useForm(async (v) => {
    const { again: _, ...rest } = v;
    me.value = await post<Me>('/signup', rest, true);
    go(next());
  }, checkPassword(m.password_min));
  if (useLeave(m, next)) return null;
  if (!m.accounts) return <Off />;
  const below = <p>Have an account? <a href={keep('/signin')}>Sign in</a></p>;
  if (!m.sign_up) return <Gate title="Create an account" below={below}><p>Here, accounts are made by admins. Ask one for an invitation.</p></Gate>;
  return (
    <Gate title="Create an account" below={below}>
      <p class="faint">An admin verifies it before you can see projects and results.</p>
      <Form f={f} label="Create an account" submit="Create the account" busy="Creating it…">
        <Field f={f} name="login" label="Login" complete="username" required focus max={64} />
        <Field f={f} name="password" label="Password" type="password" complete="new-password" required max={1000} hint={passwordHint(m.password_min)} />
        <Field f={f} name="again" label="Password again" type="password" complete="new-password" required max={1000} />
        <Field f={f} name="email" label="E-mail" type="email" complete="email" hint="Not needed; for a new password and for mails about your runs." />
        <div class="pair"><Field f={f} name="first_name" label="First name" complete="given-name" /><Field f={f} name="last_name" label="Last name" complete="family-name" /></div>
        <Field f={f} name="position" label="Position" complete="organization-title" />
      </Form>
    </Gate>
  );
}
export function Forgot() {
  const [sent, setSent] = useState('');
  const f = useForm(async (v) => { await post('/links/reset', { login: v.login }, true); setSent(v.login); });
  const below = <p><a href="/signin">Back to sign in</a></p>;
  if (!me.value!.accounts) return <Off />;
  if (sent) return <Gate title="Look into your mail" below={below}><p role="status">If <b>{visible(sent)}</b> has an account with a confirmed address, a link to set a new password is on its way there. Without such an address, ask an admin for a link.</p></Gate>;
  return (
    <Gate title="A new password" below={below}>
      <Form f={f} label="A new password" submit="Send me a link">
        <Field f={f} name="login" label="Login or e-mail" complete="username" required focus />
      </Form>
    </Gate>
  );
}

/** Signed in and not verified: nothing is asked by itself; coming back to the tab looks once more. */
export function Waiting() {
  const m = me.value!, [looked, setLooked] = useState('');
  useTitle('Waiting to be verified');
  const look = async (): Promise<void> => { if ((await loadMe()).role === 'unverified') setLooked(`Not yet, at ${new Date().toLocaleTimeString()}.`); };
  useEffect(() => {
    const back = (): void => { if (!document.hidden) look().catch(() => { /* the button says why */ }); };
    document.addEventListener('visibilitychange', back);
    return () => document.removeEventListener('visibilitychange', back);
  }, []);
  return (
    <div class="gate">
      <section class="card">
        <h1>Waiting to be verified</h1>
        <p>Your account <b>{visible(m.user?.login ?? '')}</b> is there. An admin has to verify it before you can see projects and results.</p>
        {m.needs_admin && <p class="note">There is no admin yet: whoever runs the server opens the address that <code>wrata serve</code> printed.</p>}
        <p class="acts"><Act run={look} primary>Check again</Act><a class="btn" href="/account">My account</a><Act run={signOut}>Sign out</Act></p>
        <p class="faint" role="status">{looked}</p>
      </section>
    </div>
  );
}

type Purpose = 'invite' | 'reset' | 'confirm' | 'first_admin';
interface Looked { purpose: Purpose; login: string; email: string }
const WELCOME: Record<Purpose, string> = { invite: 'Welcome to wrata', reset: 'Set a new password', confirm: 'Confirm your address', first_admin: 'The first admin' };

/** A one-time link: invitation, new password, confirmed address, the first admin. */
export function Welcome() {
  const token = linkToken.value, [seen, setSeen] = useState<Looked | null>(null), [confirmed, setConfirmed] = useState<Looked | null>(null), [error, setError] = useState<ApiError | null>(null);
  const look = (): void => {
    setError(null); setSeen(null);
    if (token) setConfirmed(null);
    if (token) post<Looked>('/links/look', { token }, true).then(setSeen, (e) => setError(asError(e)));
  };
  useEffect(look, [token]);
  if (confirmed && !token) return <Gate title="The address is confirmed"><p>{visible(confirmed.email)} belongs to {visible(confirmed.login)} from now on.</p><p class="acts"><a class="btn primary" href="/">Go to the board</a></p></Gate>;
  if (!token) return <Gate title="Open the link again"><p>The secret of a link is taken out of the address as soon as it is read, so this page cannot be loaded twice. Open the link from where you have it once more.</p><p class="acts"><a class="btn" href="/">Go to the board</a></p></Gate>;
  if (error?.status === 404) return <Gate title="This link is of no use any more"><p>A link works once and for a limited time. Ask for a new one.</p><p class="acts"><a class="btn" href="/signin">Sign in</a></p></Gate>;
  if (error) return <Failed error={error} what="The link" retry={look} />;
  if (!seen) return <div class="gate"><h1 class="sr">Link</h1><Skeleton rows={3} /></div>;
  return <Use key={token} token={token} seen={seen} confirmed={() => { setConfirmed(seen); linkToken.value = ''; loadMe().catch(() => { /* it is asked for again anyway */ }); }} />;
}
function Use({ token, seen, confirmed }: { token: string; seen: Looked; confirmed: () => void }) {
  const m = me.value!, first = seen.purpose === 'first_admin';
  const f = useForm(async (v) => {
    const r = await post<Me>('/links/use', { token, ...(seen.purpose === 'confirm' ? {} : { password: v.password }), ...(first ? { login: v.login, email: v.email } : {}) }, true);
    if (seen.purpose === 'confirm') confirmed(); else { linkToken.value = ''; me.value = r; go('/'); }
  }, checkPassword(m.password_min, seen.login));
  const who = seen.login && <p>Account <b>{visible(seen.login)}</b>{seen.email && <>, {visible(seen.email)}</>}</p>;
  if (seen.purpose === 'confirm') return <Gate title={WELCOME.confirm}>{who}<Form f={f} label="Confirm" submit="Confirm the address">{null}</Form></Gate>;
  return (
    <Gate title={WELCOME[seen.purpose] ?? 'Welcome'}>
      {first ? <p>This link makes the first admin of this server. It is void once there is one.</p> : who}
      <Form f={f} label={WELCOME[seen.purpose] ?? 'Welcome'} submit={first ? 'Make the admin' : 'Set the password'}>
        {first ? <><Field f={f} name="login" label="Login" complete="username" required focus max={64} /><Field f={f} name="email" label="E-mail" type="email" complete="email" hint="Where mails about the server go; not needed." /></>
          : <input class="sr" type="text" autoComplete="username" value={seen.login} readOnly tabIndex={-1} aria-hidden="true" />}
        <Field f={f} name="password" label="Password" type="password" complete="new-password" required focus={!first} max={1000} hint={passwordHint(m.password_min)} />
        <Field f={f} name="again" label="Password again" type="password" complete="new-password" required max={1000} />
      </Form>
    </Gate>
  );
}
