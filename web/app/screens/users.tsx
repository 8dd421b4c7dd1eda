/** Admin: who has an account. Those that wait come first, as the server sends them. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { fullName, isAdmin, userFace } from '../../core/account';
import { exact, plural, visible } from '../../core/fmt';
import type { Deletion, Link, User } from '../../core/types';
import { asError, del, loadMe, post, type ApiError } from '../api';
import { go, replace, url, useKey, useTitle } from '../nav';
import { Ago, Badge, Copy, Denied, Dialog, Empty, Failed, More, Skeleton, Trouble } from '../parts/basics';
import { Act, Check, Field, Form, useForm } from '../parts/form';
import { useLoad, usePages } from '../parts/useload';
import { me } from '../who';
import { Card, Goes } from './account';

const STATES: [string, string][] = [['', 'All'], ['pending', 'Waiting'], ['active', 'Verified'], ['locked', 'Locked'], ['deleted', 'Deleted']];
const sub = (u: User): string => [fullName(u), u.position, u.email].filter(Boolean).map(visible).join(' · ');
const count = (): void => { loadMe().catch(() => { /* the badge is old for a while */ }); };

export function Users() {
  useTitle('Users');
  return isAdmin(me.value) ? <List /> : <Denied />;
}
function List() {
  const at = url.value.searchParams, state = at.get('state') ?? '', typed = at.get('q') ?? '', [q, setQ] = useState(typed), input = useRef<HTMLInputElement>(null);
  useEffect(() => { const t = setTimeout(() => setQ(typed), 250); return () => clearTimeout(t); }, [typed]);
  const query = new URLSearchParams();
  if (q) query.set('q', q);
  if (state) query.set('state', state);
  const l = usePages<User>(`/users${query.size ? `?${query}` : ''}`);
  const [picked, setPicked] = useState<Set<number>>(new Set()), [adding, setAdding] = useState(false), [problem, setProblem] = useState<ApiError | null>(null), [said, setSaid] = useState('');
  useKey('/', 'Search users', () => input.current?.focus());
  useEffect(() => { count(); }, []);
  const waiting = (l.items ?? []).filter((u) => u.state === 'pending'), chosen = waiting.filter((u) => picked.has(u.id));
  const pick = (id: number, on: boolean): void => { const next = new Set(picked); if (on) next.add(id); else next.delete(id); setPicked(next); };
  const verify = async (us: User[]): Promise<void> => {
    setProblem(null); setSaid('');
    let done = 0;
    for (const u of us) {
      try { const now = await post<User>(`/users/${u.id}`, { verified: true }); l.put((all) => all.map((x) => (x.id === u.id ? now : x))); done++; }
      catch (e) { setProblem(asError(e)); break; }
    }
    setPicked(new Set(us.slice(done).map((u) => u.id)));
    if (done) setSaid(`${plural(done, 'user')} verified.`);
    count();
  };
  return (
    <div class="screen narrow">
      <header class="titlebar"><h1>Users</h1><span class="grow" /><button type="button" class="btn" onClick={() => setAdding(true)}>Add a user</button></header>
      <div class="bar-of">
        <input ref={input} class="flt" type="search" placeholder="Login, name, e-mail" aria-label="Search users" value={typed} maxLength={200}
          onInput={(e) => { const v = e.currentTarget.value; replace((u) => (v ? u.searchParams.set('q', v) : u.searchParams.delete('q'))); }} />
        <div class="seg" role="group" aria-label="State">{STATES.map(([id, text]) => <button key={id} type="button" class="btn" aria-pressed={state === id} onClick={() => replace((u) => (id ? u.searchParams.set('state', id) : u.searchParams.delete('state')))}>{text}</button>)}</div>
      </div>
      {waiting.length > 0 && (
        <div class="bulk">
          <label class="check"><input type="checkbox" checked={chosen.length === waiting.length} onChange={(e) => setPicked(new Set(e.currentTarget.checked ? waiting.map((u) => u.id) : []))} />{plural(waiting.length, 'user waits', 'users wait')} to be verified</label>
          <Act primary small disabled={!chosen.length} run={() => verify(chosen)}>{chosen.length ? `Verify ${plural(chosen.length, 'user')}` : 'Verify the ticked ones'}</Act>
        </div>
      )}
      {problem && <p class="note bad" role="alert">{visible(problem.message)}</p>}
      <p class="sr" role="status">{said}</p>
      {l.error && !l.items ? <Failed error={l.error} what="The users" retry={() => void l.load()} /> : !l.items ? <Skeleton rows={6} />
        : !l.items.length ? <Empty title={q || state ? 'Nobody fits' : 'Nobody yet'}>{q || state ? 'No account is like this.' : 'People sign up by themselves, or you add them.'}</Empty> : (
          <ul class="rows users">
            {l.items.map((u) => (
              <li key={u.id} data-state={u.state}>
                {waiting.length > 0 && (u.state === 'pending' ? <input type="checkbox" aria-label={`Tick ${visible(u.login)}`} checked={picked.has(u.id)} onChange={(e) => pick(u.id, e.currentTarget.checked)} /> : <span class="gap" />)}
                <div class="what"><a href={`/admin/users/${u.id}`}><b>{visible(u.login)}</b></a><p class="faint">{sub(u) || 'no name, no address'}</p></div>
                <span class="when faint">{u.state === 'pending' ? <>signed up <Ago at={u.created_at} /></> : u.seen_at ? <>seen <Ago at={u.seen_at} /></> : 'never signed in'}</span>
                <Badge face={userFace(u)} />
                <span class="do">{u.state === 'pending' && <Act small run={() => verify([u])} label={`Verify ${visible(u.login)}`}>Verify</Act>}</span>
              </li>
            ))}
          </ul>
        )}
      {l.error && l.items && <Trouble error={l.error} retry={l.load} />}
      <More l={l} />
      <Dialog title="Add a user" open={adding} close={() => setAdding(false)}><Add close={() => setAdding(false)} added={() => void l.load()} /></Dialog>
    </div>
  );
}
function Add({ close, added }: { close: () => void; added: () => void }) {
  const [made, setMade] = useState<(User & { link?: Link }) | null>(null);
  const f = useForm(async (v) => {
    setMade(await post('/users', { login: v.login, email: v.email, first_name: v.first_name, last_name: v.last_name, verified: v.verified === 'yes', admin: v.admin === 'yes' }));
    added();
  });
  if (made) return <><p role="status">{visible(made.login)} has an account.</p>{made.link && <Shown link={made.link} />}<p class="acts"><button type="button" class="btn" autoFocus onClick={close}>Close</button></p></>;
  return (
    <Form f={f} label="Add a user" submit="Add" extra={<button type="button" class="btn" onClick={close}>Cancel</button>}>
      <Field f={f} name="login" label="Login" required focus max={64} />
      <Field f={f} name="email" label="E-mail" type="email" />
      <div class="pair"><Field f={f} name="first_name" label="First name" /><Field f={f} name="last_name" label="Last name" /></div>
      <Check name="verified" label="Verified: may see and start things at once" on />
      <Check name="admin" label="Admin" />
      <p class="hint">The password is set by whoever opens the invitation, a link that you get next.</p>
    </Form>
  );
}
const FOR: Record<string, string> = { invite: 'Invitation', reset: 'Link for a new password', confirm: 'Link to confirm the address' };
function Shown({ link }: { link: Link }) {
  return (
    <div class="fresh">
      <p><b>{FOR[link.purpose] ?? 'Link'}</b>, works once{link.expires_at && <>, until {new Date(link.expires_at).toLocaleString()}</>}. {link.mailed ? 'It was also sent by mail.' : 'Give it to its owner over a way you trust.'}</p>
      <p class="secret"><code>{link.url}</code><Copy text={() => link.url} what="link" framed /></p>
    </div>
  );
}

export function UserScreen({ id }: { id: number }) {
  useTitle(`User ${id}`);
  return isAdmin(me.value) ? <One id={id} /> : <Denied />;
}
function One({ id }: { id: number }) {
  const l = useLoad<User>(`/users/${id}`), u = l.data, [link, setLink] = useState<Link | null>(null), [ended, setEnded] = useState(''), [dying, setDying] = useState(false);
  useTitle(u ? visible(u.login) : `User ${id}`);
  if (l.error && !u) return <Failed error={l.error} what={`User ${id}`} retry={() => void l.load()} />;
  if (!u) return <div class="screen narrow"><h1 class="sr">User {id}</h1><Skeleton rows={3} /></div>;
  const own = u.id === me.value?.user?.id, set = async (change: Partial<Record<'verified' | 'locked' | 'admin' | 'email_confirmed', boolean>>): Promise<void> => { l.set(await post<User>(`/users/${id}`, change)); count(); };
  const make = (purpose: string) => async (): Promise<void> => { setLink(null); setLink(await post<Link>(`/users/${id}/link`, { purpose, mail: false })); };
  return (
    <div class="screen narrow cards">
      <header><p class="crumb"><a href="/admin/users">Users</a></p><h1>{visible(u.login)} <Badge face={userFace(u)} />{own && <span class="tag">you</span>}</h1></header>
      <dl class="facts">
        <div><dt>Signed up</dt><dd title={exact(u.created_at)}><Ago at={u.created_at} /></dd></div>
        <div><dt>Verified</dt><dd title={exact(u.verified_at)}>{u.verified_at ? <Ago at={u.verified_at} /> : 'not yet'}</dd></div>
        <div><dt>Seen</dt><dd title={exact(u.seen_at)}>{u.seen_at ? <Ago at={u.seen_at} /> : 'never'}</dd></div>
        {u.locked_at && <div><dt>Locked</dt><dd title={exact(u.locked_at)}><Ago at={u.locked_at} /></dd></div>}
        {u.admin_by && <div><dt>Admin by</dt><dd>{u.admin_by === 'admin_emails' ? <><code>admin_emails</code> of the server</> : 'this account'}</dd></div>}
        <div><dt>Audit log</dt><dd><a href={`/admin/audit?user=${u.id}`}>what {own ? 'you' : visible(u.login)} did</a></dd></div>
      </dl>
      {u.state === 'deleted' ? <p class="note">This account is deleted. Its login stays in history.</p> : (
        <>
          <Card title="May">
            <ul class="rows">
              <li><div class="what"><b>Verified</b><p class="faint">{u.verified_at ? 'Sees projects and results, starts launches.' : 'Waits: sees the own account only.'}</p></div>{u.verified_at ? <Act run={() => set({ verified: false })}>Take it back</Act> : <Act primary run={() => set({ verified: true })}>Verify</Act>}</li>
              <li><div class="what"><b>Admin</b><p class="faint">{u.admin_by === 'admin_emails' ? 'By the e-mail address, in the configuration of the server.' : u.admin_by ? 'Changes other people’s accounts, servers and projects.' : 'No.'}</p></div>{u.admin_by === 'admin_emails' ? null : u.admin_by ? <Act run={() => set({ admin: false })}>No admin any more</Act> : <Act run={() => set({ admin: true })}>Make an admin</Act>}</li>
              <li><div class="what"><b>Locked</b><p class="faint">{u.locked_at ? 'Cannot sign in; tokens are refused.' : 'No. Locking ends all sessions at once.'}</p></div>{u.locked_at ? <Act run={() => set({ locked: false })}>Unlock</Act> : <Act danger run={() => set({ locked: true })}>Lock</Act>}</li>
            </ul>
          </Card>
          <Card title="Ways in">
            <ul class="rows">
              <li><div class="what"><b>Password</b><p class="faint">A link that sets a new one; it is shown here, to hand on.</p></div><Act run={make(u.seen_at ? 'reset' : 'invite')}>{u.seen_at ? 'Make a reset link' : 'Make an invitation'}</Act></li>
              {u.email && <li><div class="what"><b>E-mail</b><p class="faint">{visible(u.email)}, {u.email_confirmed ? 'confirmed' : 'not confirmed'}</p></div>{!u.email_confirmed && <Act run={() => set({ email_confirmed: true })}>It is confirmed</Act>}</li>}
              <li><div class="what"><b>Sessions</b><p class="faint" role="status">{ended || 'Signs out everywhere; tokens stay.'}</p></div><Act run={async () => { const r = await del<{ ended: number }>(`/users/${id}/sessions`); setEnded(`${plural(r.ended, 'session')} ended.`); }}>End all sessions</Act></li>
            </ul>
            {link && <Shown link={link} />}
          </Card>
          <Profile key={u.id} u={u} set={l.set} />
          <Card title="Delete" danger><p class="faint">You see what goes and what stays before anything happens.</p><p class="acts"><button type="button" class="btn danger" onClick={() => setDying(true)}>Delete the account…</button></p></Card>
        </>
      )}
      <Dialog title={`Delete ${visible(u.login)}?`} open={dying} close={() => setDying(false)}><Deletes u={u} close={() => setDying(false)} /></Dialog>
    </div>
  );
}
function Profile({ u, set }: { u: User; set: (u: User) => void }) {
  const f = useForm(async (v) => { set(await post<User>(`/users/${u.id}`, v)); return 'Saved.'; });
  return (
    <Card title="Profile">
      <Form f={f} label="Profile" submit="Save" primary={false}>
        <div class="pair"><Field f={f} name="first_name" label="First name" value={u.first_name} /><Field f={f} name="last_name" label="Last name" value={u.last_name} /></div>
        <div class="pair"><Field f={f} name="position" label="Position" value={u.position} /><Field f={f} name="email" label="E-mail" type="email" value={u.email} hint="A new address is an unconfirmed one." /></div>
      </Form>
    </Card>
  );
}
function Deletes({ u, close }: { u: User; close: () => void }) {
  const l = useLoad<Deletion>(`/users/${u.id}/deletion`), safe = useRef<HTMLButtonElement>(null), there = l.data !== null;
  useEffect(() => safe.current?.focus(), [there]);
  if (l.error && !l.data) return <><p class="note bad" role="alert">{visible(l.error.message)}</p><p class="acts"><button type="button" class="btn" onClick={close}>Close</button></p></>;
  if (!l.data) return <Skeleton rows={2} />;
  return (
    <>
      <Goes d={l.data} whose="the" />
      <p class="acts"><button type="button" class="btn" ref={safe} onClick={close}>Keep the account</button><Act danger run={async () => { await del(`/users/${u.id}`); count(); go('/admin/users'); }}>Delete for good</Act></p>
    </>
  );
}
