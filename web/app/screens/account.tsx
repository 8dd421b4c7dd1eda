/** One's own account. Each part is an address of its own. */
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { browserName, fullName, isAdmin, userFace } from '../../core/account';
import { exact, num, plural, visible } from '../../core/fmt';
import { ACCOUNT, type AccountTab } from '../../core/route';
import type { Deletion, Scope, Session, Token, User } from '../../core/types';
import { del, loadMe, post } from '../api';
import { useTitle } from '../nav';
import { Ago, Badge, Copy, Dialog, Empty, Failed, Skeleton } from '../parts/basics';
import { Act, Check, checkPassword, Field, Form, type FormState, passwordHint, Select, useForm } from '../parts/form';
import { useLoad } from '../parts/useload';
import { me } from '../who';
import { Variables } from './variables';

const NAMES: Record<AccountTab, string> = { profile: 'Profile', password: 'Password', sessions: 'Sessions', tokens: 'API tokens', variables: 'Variables', mail: 'Mail', delete: 'Delete account' };

export function Card({ title, children, danger = false }: { title: string; children: ComponentChildren; danger?: boolean }) {
  return <section class={danger ? 'card danger' : 'card'}><h2>{title}</h2>{children}</section>;
}
export function Account({ tab }: { tab: AccountTab }) {
  const m = me.value!, u = m.user;
  useTitle(NAMES[tab]);
  if (!m.accounts || !u) return <><h1 class="sr">Account</h1><Empty title="Accounts are off">Everybody who reaches this address may do everything; there is nothing here to set.</Empty></>;
  return (
    <div class="settings">
      <nav aria-label="Account"><ul>{ACCOUNT.map((t) => <li key={t}><a href={t === 'profile' ? '/account' : `/account/${t}`} aria-current={t === tab ? 'page' : undefined}>{NAMES[t]}</a></li>)}</ul></nav>
      <div class="cards">
        <h1>{NAMES[tab]} <span class="faint">{visible(u.login)}</span></h1>
        {tab === 'profile' ? <Profile u={u} /> : tab === 'password' ? <Password u={u} /> : tab === 'sessions' ? <Sessions /> : tab === 'tokens' ? <Tokens /> : tab === 'variables' ? <Variables /> : tab === 'mail' ? <Mail u={u} /> : <Delete />}
      </div>
    </div>
  );
}

export function Profile({ u }: { u: User }) {
  const f = useForm(async (v) => { const user = await post<User>('/me', v); me.value = { ...me.peek()!, user }; return 'Saved.'; });
  const [email, setEmail] = useState(u.email), typed = (e: Event): void => { const el = e.target; if (el instanceof HTMLInputElement && el.name === 'email') setEmail(el.value.trim()); };
  return (
    <>
      <Card title="You">
        <Form f={f} label="Profile" submit="Save" onInput={typed}>
          <div class="pair"><Field f={f} name="first_name" label="First name" complete="given-name" value={u.first_name} /><Field f={f} name="last_name" label="Last name" complete="family-name" value={u.last_name} /></div>
          <Field f={f} name="position" label="Position" complete="organization-title" value={u.position} />
          <Zone f={f} value={u.zone} />
          <Field f={f} name="email" label="E-mail" type="email" complete="email" value={u.email} hint={u.email ? (u.email_confirmed ? 'Confirmed. A new address has to be confirmed again.' : 'Not confirmed yet.') : 'For a new password and for mails about your runs.'} />
          {email !== u.email && <Field f={f} name="current" label="Current password" type="password" complete="current-password" required max={1000} hint="Another address could ask for a new password: show that it is you." />}
        </Form>
        {u.email && !u.email_confirmed && <Confirm key={u.email} />}
      </Card>
      <Card title="What you are here">
        <dl class="facts">
          <div><dt>Login</dt><dd>{visible(u.login)}</dd></div>
          <div><dt>State</dt><dd><Badge face={userFace(u)} /></dd></div>
          {u.role === 'admin' && u.admin_by === 'admin_emails' && <div><dt>Admin by</dt><dd>the server's configuration</dd></div>}
          <div><dt>Since</dt><dd title={exact(u.created_at)}><Ago at={u.created_at} /></dd></div>
        </dl>
      </Card>
    </>
  );
}
const WHEN: [string, string][] = [['never', 'never'], ['failed', 'when it failed'], ['always', 'always']];
/** What this account is told by mail. */
function Mail({ u }: { u: User }) {
  const f = useForm(async (v) => {
    const user = await post<User>('/me', {
      mail_launches: v.mail_launches, mail_launch_min_s: Number(v.mail_launch_min_s), mail_schedule_launches: v.mail_schedule_launches,
      mail_schedule_failed: v.mail_schedule_failed === 'yes', mail_schedule_missed: v.mail_schedule_missed === 'yes', mail_schedule_disabled: v.mail_schedule_disabled === 'yes',
    });
    me.value = { ...me.peek()!, user };
    return 'Saved.';
  }, (v): Record<string, string> => (/^\d{1,6}$/.test(v.mail_launch_min_s) ? {} : { mail_launch_min_s: 'A number of seconds: 0, 60, 3600.' }));
  return (
    <Card title="Mail about your launches and schedules">
      {!(u.email && u.email_confirmed) && <p class="note">No mail goes out yet: {u.email ? 'your address is not confirmed' : 'your account has no address'}. <a href="/account">Profile</a></p>}
      <Form f={f} label="Mail" submit="Save">
        <div class="pair">
          <Select f={f} name="mail_launches" label="A launch that you started has ended" options={WHEN} value={u.mail_launches} />
          <Field f={f} name="mail_launch_min_s" label="Not when it took less, in seconds" value={String(u.mail_launch_min_s)} required max={6} />
        </div>
        <Select f={f} name="mail_schedule_launches" label="A launch of a schedule of yours has ended" options={WHEN} value={u.mail_schedule_launches} hint="However short it was." />
        <Check name="mail_schedule_failed" label="A schedule could not start its list" on={u.mail_schedule_failed} />
        <Check name="mail_schedule_missed" label="A schedule missed its start: no server was there" on={u.mail_schedule_missed} />
        <Check name="mail_schedule_disabled" label="A schedule was disabled, for it would not start any more" on={u.mail_schedule_disabled} />
      </Form>
    </Card>
  );
}
/** Names that this browser knows; the server may know others, so any may be typed. */
function Zone({ f, value }: { f: FormState; value: string }) {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const names = ['UTC', ...Intl.supportedValuesOf('timeZone')];
  return (
    <>
      <Field f={f} name="zone" label="Time zone" value={value} required list="zones" hint={`Of schedules that you make, and of the times in them.${here && here !== value ? ` This browser is in ${here}.` : ''}`} />
      <datalist id="zones">{names.map((n) => <option value={n} key={n} />)}</datalist>
    </>
  );
}
function Confirm() {
  const [sent, setSent] = useState('');
  const send = async (): Promise<void> => {
    const r = await post<{ mailed: boolean }>('/me/confirm');
    setSent(r.mailed ? 'Sent: open the link in that mail.' : 'The mail could not be sent.');
  };
  return <p class="acts"><Act run={send}>Send a link to confirm it</Act><span class="faint" role="status">{sent}</span></p>;
}
function Password({ u }: { u: User }) {
  const m = me.value!;
  const f = useForm(async (v) => {
    await post('/me/password', { current: v.current, password: v.password });
    f.ref.current?.reset();
    void loadMe();
    return 'Changed. Your other sessions are over.';
  }, checkPassword(m.password_min, u.login));
  return (
    <Card title="A new password">
      <Form f={f} label="Password" submit="Change the password">
        <input class="sr" type="text" autoComplete="username" value={u.login} readOnly tabIndex={-1} aria-hidden="true" />
        <Field f={f} name="current" label="Current password" type="password" complete="current-password" required max={1000} />
        <Field f={f} name="password" label="New password" type="password" complete="new-password" required max={1000} hint={passwordHint(m.password_min)} />
        <Field f={f} name="again" label="New password again" type="password" complete="new-password" required max={1000} />
      </Form>
    </Card>
  );
}

function Sessions() {
  const l = useLoad<Session[]>('/sessions');
  if (l.error && !l.data) return <Failed error={l.error} what="Your sessions" retry={() => void l.load()} />;
  if (!l.data) return <Skeleton rows={3} />;
  const all = [...l.data].sort((a, b) => Number(b.current) - Number(a.current) || b.id - a.id), others = all.filter((s) => !s.current).length;
  return (
    <Card title={plural(all.length, 'session')}>
      {all.length === 0 && <Empty title="No sessions" />}
      <ul class="rows">
        {all.map((s) => (
          <li key={s.id}>
            <div class="what"><b title={s.agent}>{visible(browserName(s.agent))}</b>{s.current && <span class="tag">this one</span>}
              <p class="faint">{visible(s.address)} · since <Ago at={s.created_at} /> · seen <Ago at={s.seen_at ?? s.created_at} />{s.expires_at && <span title={exact(s.expires_at)}> · ends {new Date(s.expires_at).toLocaleDateString()}</span>}</p></div>
            {!s.current && <Act small run={async () => { await del(`/sessions/${s.id}`); await l.load(); }} label={`End the session on ${browserName(s.agent)}, ${s.address}`}>End</Act>}
          </li>
        ))}
      </ul>
      {others > 0 ? <p class="acts"><Act danger run={async () => { await del('/sessions'); await l.load(); }}>{`End ${others === 1 ? 'the other one' : `the other ${num(others)}`}`}</Act></p> : <p class="faint">You are signed in here and nowhere else.</p>}
    </Card>
  );
}

const SCOPES: Record<Scope, string> = { read: 'look', run: 'look, start and stop', admin: 'everything you may' };
function Tokens() {
  const l = useLoad<Token[]>('/tokens'), [made, setMade] = useState<Token | null>(null), [gone, setGone] = useState<Token | null>(null), m = me.value!;
  const f = useForm(async (v) => {
    const t = await post<Token>('/tokens', { name: v.name, scope: v.scope, expires_days: Number(v.expires_days) });
    setMade(t);
    (f.ref.current?.elements.namedItem('name') as HTMLInputElement | null ?? { value: '' }).value = '';
    await l.load();
  });
  if (m.role === 'unverified') return <Empty title="Not yet">API tokens can be made once an admin has verified your account.</Empty>;
  const scopes = (['read', 'run', ...(isAdmin(m) ? ['admin'] : [])] as Scope[]).map((s): [string, string] => [s, `${s}: ${SCOPES[s]}`]);
  return (
    <>
      {made && (
        <section class="card fresh" aria-label="The new token">
          <h2>Token {visible(made.name)}</h2>
          <p>It is shown this once. Whoever has it may {SCOPES[made.scope]} in your name.</p>
          <p class="secret"><code>{made.token}</code><Copy text={() => made.token ?? ''} what="token" framed /></p>
          <p class="faint">For the command line: <code>export WRATA_TOKEN=…</code> <Copy text={() => `export WRATA_URL=${location.origin} WRATA_TOKEN=${made.token}`} what="lines for a shell" /></p>
          <p class="acts"><button type="button" class="btn" onClick={() => setMade(null)}>I have it</button></p>
        </section>
      )}
      <Card title="Make a token">
        <Form f={f} label="Make a token" submit="Make the token">
          <Field f={f} name="name" label="Name" required max={128} hint="What it is for: ci, my laptop." />
          <div class="pair"><Select f={f} name="scope" label="May" options={scopes} value="run" /><Select f={f} name="expires_days" label="Ends" options={[['30', 'after 30 days'], ['90', 'after 90 days'], ['365', 'after a year'], ['0', 'never']]} value="90" /></div>
        </Form>
      </Card>
      {l.error && !l.data ? <Failed error={l.error} what="Your tokens" retry={() => void l.load()} /> : !l.data ? <Skeleton rows={3} /> : (
        <Card title={plural(l.data.length, 'token')}>
          {l.data.length === 0 ? <p class="faint">Scripts and other programs sign in with a token instead of your password.</p> : (
            <ul class="rows">
              {l.data.map((t) => (
                <li key={t.id}>
                  <div class="what"><b>{visible(t.name)}</b><span class="tag">{t.scope}</span>
                    <p class="faint">made <Ago at={t.created_at} /> · {t.expires_at ? <span title={exact(t.expires_at)}>{Date.parse(t.expires_at) < Date.now() ? 'ended' : 'ends'} {new Date(t.expires_at).toLocaleDateString()}</span> : 'never ends'} · {t.used_at ? <>used <Ago at={t.used_at} />{t.used_from && ` from ${visible(t.used_from)}`}</> : 'never used'}</p></div>
                  <button type="button" class="btn small danger" aria-label={`Revoke ${visible(t.name)}`} onClick={() => setGone(t)}>Revoke</button>
                </li>
              ))}
            </ul>
          )}
        </Card>
      )}
      <Dialog title={`Revoke ${visible(gone?.name ?? '')}?`} open={gone !== null} close={() => setGone(null)}>
        <p>What signs in with it is refused from now on. It cannot be brought back.</p>
        <p class="acts"><button type="button" class="btn" autoFocus onClick={() => setGone(null)}>Keep it</button>
          <Act danger run={async () => { await del(`/tokens/${gone!.id}`); if (made?.id === gone!.id) setMade(null); setGone(null); await l.load(); }}>Revoke</Act></p>
      </Dialog>
    </>
  );
}

/** What a deletion takes and what it leaves, in numbers of the server. */
export function Goes({ d, whose }: { d: Deletion; whose: string }) {
  return (
    <div class="pair">
      <div><h3>Goes for good</h3><ul class="plain"><li>names, e-mail and password</li><li>{plural(d.sessions, 'session')}</li><li>{plural(d.tokens, 'API token')}</li><li>{plural(d.env, 'variable')}</li>{d.running > 0 && <li><b>{plural(d.running, 'launch', 'launches')} running now</b>: {d.running === 1 ? 'it is' : 'they are'} stopped</li>}</ul></div>
      <div><h3>Stays</h3><ul class="plain"><li>{plural(d.launches, 'launch', 'launches')} with results and logs</li><li>{whose} login in history and audit log</li></ul></div>
    </div>
  );
}
function Delete() {
  const l = useLoad<Deletion>('/me/deletion'), u = me.value!.user!;
  const f = useForm(async (v) => { await post('/me/delete', { password: v.password }); location.assign('/signin?deleted=1'); });
  if (l.error && !l.data) return <Failed error={l.error} what="What goes and what stays" retry={() => void l.load()} />;
  if (!l.data) return <Skeleton rows={2} />;
  return (
    <Card title={`Delete the account ${visible(u.login)}`} danger>
      {fullName(u) && <p class="faint">{visible(fullName(u))}</p>}
      <Goes d={l.data} whose="your" />
      <Form f={f} label="Delete account" submit="Delete my account for good" busy="Deleting it…" danger>
        <Field f={f} name="password" label="Your password" type="password" complete="current-password" required max={1000} />
      </Form>
    </Card>
  );
}
