/** Admin: who did what to what, from where, and how it ended. The filters are in the address. */
import { useEffect, useState } from 'preact/hooks';
import { answerFace, isAdmin } from '../../core/account';
import { exact, visible } from '../../core/fmt';
import type { Audit as Row, Page, User } from '../../core/types';
import { asError, get, type ApiError } from '../api';
import { replace, url, useTitle } from '../nav';
import { Ago, Denied, Empty, Failed, Glyph, More, Skeleton, Trouble } from '../parts/basics';
import { usePages } from '../parts/useload';
import { me } from '../who';

const TEXT = [['user', 'User'], ['action', 'Action'], ['object', 'Object']] as const;
const KEYS = ['user', 'action', 'object', 'from', 'to', 'refused'];
/** The address keeps the moment itself; the field shows it in the time of this computer. */
const toLocal = (iso: string): string => { const d = new Date(iso); return Number.isNaN(d.getTime()) ? '' : new Date(d.getTime() - d.getTimezoneOffset() * 60_000).toISOString().slice(0, 16); };
const toIso = (local: string): string => { const d = new Date(local); return Number.isNaN(d.getTime()) ? '' : d.toISOString(); };

export function Audit() {
  useTitle('Audit log');
  return isAdmin(me.value) ? <List /> : <Denied />;
}
/** The server knows users by number; people type logins. Null while it is not known; 0: there is none of that login. */
function useUser(typed: string): { id: string | null; error: ApiError | null } {
  const known = /^\d*$/.test(typed), [found, setFound] = useState<{ typed: string; id: string } | null>(null), [error, setError] = useState<ApiError | null>(null);
  useEffect(() => {
    if (known) return;
    const ac = new AbortController();
    setError(null);
    get<Page<User>>(`/users?limit=500&q=${encodeURIComponent(typed)}`, ac.signal).then(
      (p) => setFound({ typed, id: String(p.items.find((u) => u.login.toLowerCase() === typed.toLowerCase())?.id ?? 0) }),
      (e) => { if (!ac.signal.aborted) setError(asError(e)); });
    return () => ac.abort();
  }, [typed]);
  return { id: known ? typed : found?.typed === typed ? found.id : null, error };
}
function List() {
  const now = new URLSearchParams([...url.value.searchParams].filter(([k, v]) => KEYS.includes(k) && v)).toString(), [typed, setTyped] = useState(now);
  useEffect(() => { const t = setTimeout(() => setTyped(now), 300); return () => clearTimeout(t); }, [now]);
  const asked = new URLSearchParams(typed), login = asked.get('user') ?? '', user = useUser(login), any = now !== '';
  if (user.id) asked.set('user', user.id);
  const query = asked.toString(), set = (k: string, v: string): void => replace((u) => (v ? u.searchParams.set(k, v) : u.searchParams.delete(k)));
  const out = (format: string): string => `/api/v1/audit/export?${query ? `${query}&` : ''}format=${format}`;
  const there = login === '' || (user.id !== null && user.id !== '0'), at = url.value.searchParams;
  return (
    <div class="screen">
      <header class="titlebar"><h1>Audit log</h1><span class="grow" />{there && <><a class="btn" href={out('csv')} download="audit.csv">Export CSV</a><a class="btn" href={out('json')} download="audit.json">Export JSON</a></>}</header>
      <form class="filters" role="search" aria-label="Filter the audit log" onSubmit={(e) => e.preventDefault()}>
        {TEXT.map(([k, text]) => <label key={k}>{text}<input type="search" value={at.get(k) ?? ''} maxLength={200} spellcheck={false} placeholder={{ user: 'mira', action: 'launch.start', object: 'launch 12' }[k]} onInput={(e) => set(k, e.currentTarget.value.trim())} /></label>)}
        {(['from', 'to'] as const).map((k) => <label key={k}>{k === 'from' ? 'From' : 'To'}<input type="datetime-local" value={toLocal(at.get(k) ?? '')} onChange={(e) => set(k, toIso(e.currentTarget.value))} /></label>)}
        <label class="check"><input type="checkbox" checked={at.has('refused')} onChange={(e) => set('refused', e.currentTarget.checked ? '1' : '')} />refused only</label>
        {any && <button type="button" class="btn" onClick={() => replace((u) => { for (const k of KEYS) u.searchParams.delete(k); })}>Clear</button>}
      </form>
      {user.error ? <Failed error={user.error} what="The user" retry={() => set('user', '')} /> : there ? <Rows query={query} /> : user.id === '0' ? <Empty title={`There is no user ${visible(login)}`}>Of a deleted account, type its number.</Empty> : <Skeleton rows={8} />}
    </div>
  );
}
function Rows({ query }: { query: string }) {
  const l = usePages<Row>(`/audit${query ? `?${query}` : ''}`);
  if (l.error && !l.items) return <Failed error={l.error} what="The audit log" retry={() => void l.load()} />;
  if (!l.items) return <Skeleton rows={8} />;
  if (l.error) return <Trouble error={l.error} retry={l.load} />;
  if (!l.items.length) return <Empty title={query ? 'Nothing fits the filter' : 'Nothing was done yet'} />;
  return (
    <>
          <ul class="rows audit" aria-busy={l.busy}>
            {l.items.map((r) => {
              const face = answerFace(r.status);
              return (
                <li key={r.id}>
                  <span class="when" title={exact(r.at)}><Ago at={r.at} /></span>
                  <span class={`how t-${face.tone}`} title={r.status ? `status ${r.status}` : 'the server ended before it answered'}><Glyph face={face} />{face.word}</span>
                  <span class="who">{r.user ? <a href={`/admin/users/${r.user}`}>{visible(r.login)}</a> : visible(r.login || 'nobody')}<span class="faint"> {[r.via === 'nothing' ? '' : r.via, r.address].filter(Boolean).map(visible).join(', ')}</span></span>
                  <span class="act"><code>{visible(r.action)}</code> {visible(r.object)}</span>
                  <span class="faint detail">{visible(r.detail)}</span>
                </li>
              );
            })}
          </ul>
          <More l={l} />
    </>
  );
}
