/** Beside the tables of admins: what is kept and what goes, what machines cost, and what became of what a hook sent. */
import { useEffect, useState } from 'preact/hooks';
import { isAdmin } from '../../core/account';
import { bytes, dur, exact, num, plural, usd, visible, visibleText } from '../../core/fmt';
import type { Cost as Costs, Delivery, Hook, Kept as Keeps } from '../../core/types';
import { post } from '../api';
import { now, setQuery, url, useTitle } from '../nav';
import { AdminNav, join } from '../parts/adminnav';
import { Ago, Copy, Dialog, Empty, Failed, Kpi, More, Skeleton, Trouble } from '../parts/basics';
import { Act } from '../parts/form';
import { useLoad, usePages } from '../parts/useload';
import { me } from '../who';

const KINDS = { logs: ['Logs', 'log'], artifacts: ['Artifacts', 'file'], examples: ['Examples', 'example'], history: ['History', 'run'] } as const;
const DAY_MS = 86_400_000;
const sum = (k: Keeps): number => k.kinds.reduce((n, x) => n + x.bytes, 0);

export function Retention() {
  useTitle('What is kept');
  const l = useLoad<Keeps>('/retention'), [dry, setDry] = useState<Keeps | null>(null), [sure, setSure] = useState(false), [before, setBefore] = useState<number | null>(null);
  const boss = isAdmin(me.value), d = l.data, goes = dry?.kinds.filter((k) => k.goes || k.goes_bytes) ?? [], back = d && before !== null ? before - sum(d) : 0;
  const list = (k: Keeps['kinds'][number]): string => join(k.goes ? plural(k.goes, KINDS[k.kind][1]) : '', k.goes_bytes ? bytes(k.goes_bytes) : '');
  const again = (): Promise<void> => { setDry(null); return l.load(); };
  return (
    <div class="screen narrow cards">
      <AdminNav at="retention" />
      <header class="titlebar"><h1>What is kept</h1><span class="grow" /><Act run={again}>Look again</Act>{boss && d && <Act run={async () => setDry(await post<Keeps>('/retention/prune', { dry_run: true }))}>What would go now?</Act>}</header>
      {l.error && d && <Trouble error={l.error} retry={l.load} />}
      {l.error && !d ? <Failed error={l.error} what="What is kept" retry={l.load} /> : !d ? <Skeleton rows={5} /> : <>
        {d.disk.why && <p class="note bad" role="alert">{d.disk.full ? '' : 'The disk is nearly full: '}{visible(d.disk.why)}</p>}
        <dl class="kpirow"><Kpi n={bytes(d.disk.free)} label={`free of ${bytes(d.disk.total)} of disk`} /><Kpi n={bytes(d.disk.database_free)} label="free inside the database" /><Kpi n={bytes(sum(d))} label="kept" /></dl>
        {dry && <div class="note" role="status">{goes.length ? <><p>Too old or too much, and would go now:</p><ul class="plain">{goes.map((k) => <li key={k.kind}>{KINDS[k.kind][0]}: {list(k)}</li>)}</ul><p class="acts"><button type="button" class="btn danger" onClick={() => setSure(true)}>Delete it now…</button></p></> : <p>Nothing is too old or too much.</p>}</div>}
        {before !== null && <p class="note" role="status">{back > 0 ? `${bytes(back)} are given back so far.` : 'It goes in small steps beside everything else. Look again in a moment.'}</p>}
        <ul class="rows entries">{d.kinds.map((k) => { const [title, one] = KINDS[k.kind], left = k.goes_next ? Date.parse(k.goes_next) - now.value : null; return (
          <li key={k.kind}><div class="what"><p class="lead"><b>{title}</b><span class="tag">{k.days === null ? 'for ever' : plural(k.days, 'day')}</span>{k.max_bytes !== null && <span class="tag">at most {bytes(k.max_bytes)}</span>}</p>
            <p class="faint">{join(plural(k.items, one), bytes(k.bytes))}{k.oldest_at && <> · the oldest <Ago at={k.oldest_at} /></>}{left !== null && <> · <span title={exact(k.goes_next)}>{left <= 0 ? 'goes next' : `goes in ${left < DAY_MS ? dur(left) : plural(Math.ceil(left / DAY_MS), 'day')}`}</span></>}</p></div></li>); })}</ul>
        <p class="hint">Ages and sizes are in the settings of the server.</p></>}
      <Dialog title="Delete what is too old or too much?" open={sure} close={() => setSure(false)}>
        <p>Of everybody, and for good: {goes.map((k) => `${KINDS[k.kind][0].toLowerCase()} (${list(k)})`).join(', ')}.</p>
        <p class="acts"><button type="button" class="btn" autoFocus onClick={() => setSure(false)}>Cancel</button><Act danger run={async () => { await post('/retention/prune'); setBefore(sum(d!)); setSure(false); await again(); }}>Delete</Act></p>
      </Dialog>
    </div>
  );
}

const BY = { day: 'Day', launch: 'Launch', schedule: 'Schedule', user: 'User', server: 'Server', fleet: 'Fleet' };
const MAY = ['day', 'launch', 'schedule'];                              // others than admins see their own launches
const hours = (s: number | null): string => (s === null ? '–' : dur(s * 1000));
const money = (n: number | null): string => (n === null ? '–' : n ? usd(n) : '$0');

export function Cost() {
  useTitle('Cost');
  const at = url.value.searchParams, boss = isAdmin(me.value), ways = Object.entries(BY).filter(([k]) => boss || MAY.includes(k)), by = ways.find(([k]) => k === at.get('by'))?.[0] ?? 'day';
  const ask = new URLSearchParams({ by });
  for (const k of ['from', 'to']) if (at.get(k)) ask.set(k, at.get(k)!);
  const l = usePages<Costs['items'][number], Costs>(`/cost?${ask}`), d = l.page;
  const name = (x: Costs['items'][number]) => { const text = visible(x.name || x.day || `#${x.id}`), to = by === 'launch' ? 'launches' : by === 'server' ? 'servers' : by === 'schedule' ? 'schedules' : ''; return <>{to && x.id ? <a href={`/${to}/${x.id}`}>{text}</a> : text}{x.of && <span class="faint"> {visible(x.of)}</span>}</>; };
  return (
    <div class="screen narrow cards">
      <AdminNav at="cost" />
      <header class="titlebar"><h1>Cost</h1></header>
      <form class="filters" role="search" aria-label="What the costs are of" onSubmit={(e) => e.preventDefault()}>
        <label>By<select value={by} onChange={(e) => setQuery('by', e.currentTarget.value)}>{ways.map(([k, text]) => <option key={k} value={k}>{text}</option>)}</select></label>
        {(['from', 'to'] as const).map((k) => <label key={k}>{k === 'from' ? 'From' : 'To'}<input type="date" value={at.get(k) ?? d?.[k] ?? ''} onChange={(e) => setQuery(k, e.currentTarget.value)} /></label>)}
      </form>
      {l.error && !l.items ? <Failed error={l.error} what="The costs" retry={l.load} /> : !l.items || !d ? <Skeleton rows={6} /> : <>
        {l.error && <Trouble error={l.error} retry={l.load} />}
        <dl class="kpirow"><Kpi n={money(d.today.cost_usd)} label="today" />{boss && <Kpi n={money(d.now.usd_per_hour)} label={`an hour now, ${plural(d.now.machines, 'machine')}`} />}<Kpi n={money(d.total.cost_usd)} label={plural(d.total.days, 'day with costs', 'days with costs')} />{d.total.idle_percent !== null && <Kpi n={`${d.total.idle_percent} %`} label={`for no run, ${money(d.total.idle_usd_per_day)} a day`} />}</dl>
        {!l.items.length ? <Empty title="Nothing cost anything">{`From ${d.from} to ${d.to}. Machines without a price cost nothing.`}</Empty> : (
          <div class="sidescroll" tabIndex={0} role="region" aria-label="Costs"><table class="plaintable"><thead><tr>{[BY[by as keyof typeof BY], 'Cost', 'For runs', 'For no run', 'Machines ran', 'Runs took'].map((x) => <th key={x} scope="col">{x}</th>)}</tr></thead>
            <tbody>{l.items.map((x) => <tr key={x.day ?? x.id}><th scope="row">{name(x)}</th>{[money(x.cost_usd), money(x.runs_usd), money(x.idle_usd), hours(x.machines_s), hours(x.runs_s)].map((text, i) => <td key={i} class="num">{text}</td>)}</tr>)}</tbody></table></div>)}
        <More l={l} /></>}
      <p class="hint">Days are of UTC. {boss ? 'Each second of a machine is divided among the runs that held its slots; the rest was for no run.' : 'What your own launches cost.'}</p>
    </div>
  );
}

const STATES = { waiting: 't-pend', delivered: 't-pass', failed: 't-fail' };
const objectOf = (d: Delivery): string => (!d.object ? '' : /^launch|^runs/.test(d.kind) ? `/launches/${d.object}` : /^schedule/.test(d.kind) ? `/schedules/${d.object}` : /^server/.test(d.kind) ? `/servers/${d.object}` : '');

export function HookScreen({ id }: { id: number }) {
  const h = useLoad<Hook>(`/hooks/${id}`), state = url.value.searchParams.get('state') ?? '', l = usePages<Delivery>(`/hooks/${id}/deliveries${state in STATES ? `?state=${state}` : ''}`), [tried, setTried] = useState<Delivery | null>(null), [secret, setSecret] = useState(''), [sure, setSure] = useState(false), x = h.data;
  useTitle(x ? visible(x.name) : 'Hook');
  const change = (body: object): Promise<void> => post<Hook & { secret: string | null }>(`/hooks/${id}`, body).then((now) => { h.set(now); if (now.secret) setSecret(now.secret); });
  if (h.error && !x) return <div class="screen narrow cards"><AdminNav at="hooks" /><Failed error={h.error} what="The hook" retry={h.load} /></div>;
  if (!x) return <div class="screen narrow cards"><AdminNav at="hooks" /><Skeleton rows={6} /></div>;
  return (
    <div class="screen narrow cards">
      <AdminNav at="hooks" />
      <header class="titlebar"><h1>{visible(x.name)}{!x.enabled && <span class="tag">off</span>}</h1><span class="grow" />
        {x.enabled && <Act run={async () => { setTried(await post<Delivery>(`/hooks/${id}/test`)); await Promise.all([l.load(), h.load()]); }}>Test</Act>}
        <Act run={() => change({ enabled: !x.enabled })}>{x.enabled ? 'Switch it off' : 'Switch it on'}</Act>{x.type === 'webhook' && <button type="button" class="btn" onClick={() => setSure(true)}>New secret…</button>}</header>
      <p class="faint">{join(x.type, x.url, x.repository, x.user?.login, x.all && 'of everybody', x.kinds.join(', '))}</p>
      {x.reason && <p class="note bad">{visible(x.reason)}</p>}
      {x.failures > 0 && <p class="note bad">{plural(x.failures, 'try', 'tries')} in a row failed since <Ago at={x.failing_since} />{x.last_error && `: ${visible(x.last_error)}`}{x.paused_until && ` It is tried again at ${exact(x.paused_until)}.`}</p>}
      {secret && <div class="fresh"><p role="status">Its new secret, shown this once. The one before is of no use any more:</p><p class="secret"><code>{secret}</code><Copy framed what="the secret" text={() => secret} /></p></div>}
      {tried && <p class={tried.state === 'delivered' ? 'note' : 'note bad'} role="status">The test: {tried.state}{tried.status !== null && `, answered ${tried.status}`}{tried.took_ms !== null && ` after ${dur(tried.took_ms)}`}{tried.error && `: ${visible(tried.error)}`}</p>}
      <div class="seg" role="group" aria-label="Deliveries">{['', ...Object.keys(STATES)].map((s) => <button key={s} type="button" class="btn small" aria-pressed={state === s} onClick={() => setQuery('state', s)}>{s || 'all'}</button>)}</div>
      {l.error && !l.items ? <Failed error={l.error} what="The deliveries" retry={l.load} /> : !l.items ? <Skeleton rows={4} /> : !l.items.length ? <Empty title={state ? 'None of this kind' : 'Nothing was sent yet'}>What it is told of is listed here, with what the other side answered.</Empty> : (
        <ul class="rows entries">{l.items.map((d) => <Sent key={d.id} d={d} put={(now) => l.put((all) => all.map((o) => (o.id === now.id ? { ...o, ...now } : o)))} />)}</ul>)}
      <More l={l} />
      <Dialog title="A new secret?" open={sure} close={() => setSure(false)}>
        <p>What is sent from now on is signed with it. Who checks signatures with the old one refuses them.</p>
        <p class="acts"><button type="button" class="btn" autoFocus onClick={() => setSure(false)}>Cancel</button><Act danger run={async () => { await change({ new_secret: true }); setSure(false); }}>Make it</Act></p>
      </Dialog>
    </div>
  );
}
/** One delivery; what was sent and answered is read when somebody looks. */
function Sent({ d, put }: { d: Delivery; put: (d: Delivery) => void }) {
  const [open, setOpen] = useState(false), whole = useLoad<Delivery>(open ? `/deliveries/${d.id}` : null), to = objectOf(d), w = whole.data;
  useEffect(() => { if (open) void whole.load(); }, [d.state]);
  return (
    <li><div class="what"><p class="lead"><b class={STATES[d.state]}>{d.state}</b> {to ? <a href={to}>{d.kind} #{d.object}</a> : d.kind}{d.count > 1 && <span class="tag">{num(d.count)} of them</span>}</p>
      <p class="faint"><Ago at={d.at} />{[d.status !== null && `answered ${d.status}`, d.took_ms !== null && `after ${dur(d.took_ms)}`, d.tries > 1 && plural(d.tries, 'try', 'tries')].map((x) => x && ` · ${x}`)}{d.state === 'waiting' && d.next_at && ` · next at ${exact(d.next_at)}`}</p>{d.error && <p class="t-fail">{visible(d.error)}</p>}</div>
      <button type="button" class="btn small" aria-expanded={open} aria-label={`${open ? 'Less' : 'More'}: delivery ${d.id}`} onClick={() => setOpen(!open)}>{open ? 'Less' : 'More'}</button>
      {d.state !== 'waiting' && <Act small label={`Send again: delivery ${d.id}`} run={() => post<Delivery>(`/deliveries/${d.id}/retry`).then(put)}>Send again</Act>}
      {open && <div class="whole">{whole.error ? <Trouble error={whole.error} retry={whole.load} /> : !w ? <Skeleton rows={2} /> : <><h2>Sent</h2><pre class="message" tabIndex={0} role="region" aria-label={`Sent, delivery ${d.id}`}>{visibleText(w.body ?? '')}</pre><h2>Answered</h2>{w.answer ? <pre class="message" tabIndex={0} role="region" aria-label={`Answered, delivery ${d.id}`}>{visibleText(w.answer)}</pre> : <p class="faint">Nothing.</p>}</>}</div>}</li>
  );
}
