/** Servers: what there is, why it is as it is; booked, given back, switched on and off. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { isAdmin } from '../../core/account';
import { base, bytes, dur, num, plural, visible } from '../../core/fmt';
import { matches } from '../../core/filter';
import { countdown, fit, isMade, isMine, patternCount, usd, why, type Op } from '../../core/servers';
import { byName, healthNotes, runFace, serverFace } from '../../core/state';
import type { Catalog, Fleet, Run, Server } from '../../core/types';
import { asError, del, post, type ApiError } from '../api';
import { go, now, replace, say, url, useTitle } from '../nav';
import { Ago, Badge, Copy, Dialog, Elapsed, Empty, Failed, Glyph, More, Skeleton, Trouble } from '../parts/basics';
import { FilterBox, useFilter } from '../parts/filterbox';
import { Act, Field, Form, Select, useForm } from '../parts/form';
import { AddLocal } from '../parts/firststeps';
import { useLoad, usePages } from '../parts/useload';
import { ServersStore } from '../stores';
import { me } from '../who';

const DONE: Record<Op, string> = { book: 'booked', unbook: 'given back', power_on: 'switched on', power_off: 'switched off', drain: 'in maintenance', resume: 'back at work' };
const WORDS: Record<Op, string> = { book: 'Book', unbook: 'Give back', power_on: 'Switch on', power_off: 'Switch off', drain: 'Maintenance', resume: 'End maintenance' };

/** One operation on servers: asks before machines are destroyed, and again when they hold runs; says what was done. */
function useOps(store: ServersStore): { run: (op: Op, all: Server[]) => void; dialog: preact.JSX.Element; note: preact.JSX.Element | null; busy: boolean } {
  const [ask, setAsk] = useState<{ all: Server[]; held: string } | null>(null), [told, setTold] = useState(''), [error, setError] = useState<ApiError | null>(null), [busy, setBusy] = useState(false);
  const send = async (op: Op, all: Server[], force = false): Promise<void> => {
    setBusy(true); setError(null); setTold('');
    try {
      const a = await post<{ servers: Server[] }>(`/servers/${op}`, { servers: all.map((s) => s.id), ...(force ? { force: true } : {}) });
      store.put(a.servers);
      const text = `${plural(a.servers.length, 'server')} ${op === 'power_on' || op === 'power_off' ? (op === 'power_on' ? 'being made' : 'being destroyed') : DONE[op]}`;
      setTold(text); say(text); setAsk(null);
    } catch (e) {
      const x = asError(e);
      if (x.status === 409 && op === 'power_off' && !force) setAsk({ all, held: x.message }); else { setError(x); setAsk(null); }
    }
    setBusy(false);
  };
  const run = (op: Op, all: Server[]): void => { setError(null); setTold(''); if (op === 'power_off') setAsk({ all, held: '' }); else void send(op, all); };
  const cost = ask ? ask.all.reduce((n, s) => n + (s.usd_per_hour ?? 0), 0) : 0;
  return {
    run, busy,
    note: error ? <p class="note bad" role="alert">{visible(error.message)} <button type="button" class="btn small" onClick={() => setError(null)}>Close</button></p> : told ? <p class="note told" role="status">{told}</p> : null,
    dialog: (
      <Dialog title={ask ? `Switch off ${ask.all.length === 1 ? visible(ask.all[0].name) : plural(ask.all.length, 'server')}?` : 'Switch off'} open={!!ask} close={() => setAsk(null)}>
        {ask && <>
          <p>{ask.all.length === 1 ? 'Its machine is' : 'Their machines are'} destroyed, with everything on {ask.all.length === 1 ? 'it' : 'them'}. Results that have arrived stay{cost ? `; ${usd(cost)} an hour less` : ''}.</p>
          {ask.held && <p class="note">{visible(ask.held)}</p>}
          <p class="acts"><button type="button" class="btn" autoFocus onClick={() => setAsk(null)}>Keep running</button><button type="button" class="btn danger" disabled={busy} onClick={() => void send('power_off', ask.all, !!ask.held)}>{ask.held ? 'Switch off all the same: runs are queued again' : 'Switch off'}</button></p>
        </>}
      </Dialog>
    ),
  };
}

const Booked = ({ s }: { s: Server }) => (s.booked_by ? <span class="tag">{isMine(me.value, s) ? 'booked by you' : `booked by ${visible(s.booked_by.login)}`}</span> : null);
function Why({ s }: { s: Server }) {
  const text = why(s), goes = countdown(s, now.value), since = s.status === 'created' ? (s.sick ? s.sick_since : s.since) : s.status_since;
  return (
    <>
      {text && <p class={s.sick || s.link === 'lost' ? 't-fail' : 'faint'}>{visible(text)}{since ? <>, <Ago at={since} /></> : null}</p>}
      {healthNotes(s.health).map((n) => <p class="t-pend" key={n}>{visible(n)}</p>)}
      {goes && <p class="faint">Idle: its machine goes in <b class="num">{goes}</b></p>}
    </>
  );
}
const where = (s: Server): string => [s.fleet, s.size, s.region, s.address && s.address !== s.name ? s.address : '', s.slots > 1 ? `${s.slots} slots` : '', s.usd_per_hour && s.status === 'created' ? `${usd(s.usd_per_hour)}/h` : ''].filter(Boolean).map((x) => visible(x!)).join(' · ');

function Row({ s, picked, pick, run, busy }: { s: Server; picked: boolean; pick: (on: boolean, range: boolean) => void; run: (op: Op, all: Server[]) => void; busy: boolean }) {
  const face = serverFace(s), m = me.value, can = (op: Op): boolean => fit(op, [s], m).length > 0;
  const button = (op: Op): preact.JSX.Element | null => (can(op) ? <button key={op} type="button" class="btn small" disabled={busy} aria-label={`${WORDS[op]}: ${visible(s.name)}`} onClick={() => run(op, [s])}>{WORDS[op]}</button> : null);
  return (
    <li data-tone={face.tone}>
      <input type="checkbox" aria-label={`Pick ${visible(s.name)}`} checked={picked} onClick={(e) => pick(e.currentTarget.checked, e.shiftKey)} />
      <Glyph face={face} />
      <div class="what"><p class="lead"><a class="mono" href={`/servers/${s.id}`}>{visible(s.name)}</a><span class={`t-${face.tone}`}>{face.word}{s.slots > 1 && s.running.length ? `, ${s.running.length} of ${s.slots}` : ''}</span><Booked s={s} /></p>
        <p class="faint">{where(s)}</p><Why s={s} />
        {s.running.slice(0, 4).map((r) => <p key={r.run}><a href={`/runs/${r.run}`} title={r.path}>{visible(base(r.path))}</a> <span class="faint"><Elapsed from={r.started_at} /></span></p>)}
        {s.running.length > 4 && <p class="faint">and {num(s.running.length - 4)} more</p>}</div>
      <span class="acts">{button('book')}{button('unbook')}{button('power_on')}{button('power_off')}{button('resume')}</span>
    </li>
  );
}

const KEYS = ['state', 'fleet', 'owner'];
export function Servers() {
  useTitle('Servers');
  const store = useMemo(() => new ServersStore(), []);
  useEffect(() => store.start(), [store]);
  void store.rev.value;
  const fleets = useLoad<{ items: Fleet[] }>('/fleets'), ops = useOps(store), m = me.value, boss = isAdmin(m);
  const [picked, setPicked] = useState<ReadonlySet<number>>(new Set()), [taking, setTaking] = useState(false), [taken, setTaken] = useState<{ ids: number[]; fleet: string } | null>(null), last = useRef(0);
  const adding = url.value.searchParams.get('add') !== null, setAdding = (on: boolean): void => replace((u) => (on ? u.searchParams.set('add', '') : u.searchParams.delete('add')));
  const phase = store.phase.value;
  if (phase === 'error') return <Failed error={store.error.value!} what="The servers" retry={store.retry} />;
  if (phase === 'loading') return <><h1 class="sr">Servers</h1><Skeleton rows={8} /></>;
  const all = [...store.servers.rows.values()].sort(byName), { f } = useFilter(KEYS);
  const rows = all.filter((s) => matches(f, `${s.name} ${s.address} ${s.running.map((r) => r.path).join(' ')}`, (k) => (k === 'state' ? serverFace(s).word : k === 'fleet' ? s.fleet : isMine(m, s) ? 'me' : s.booked_by?.login ?? '')));
  const chosen = rows.filter((s) => picked.has(s.id)), online = all.filter((s) => s.link === 'online').length, cost = all.reduce((n, s) => n + (s.status === 'created' || s.status === 'destroying' ? s.usd_per_hour ?? 0 : 0), 0), mine = all.filter((s) => isMine(m, s));
  const pick = (i: number, on: boolean, range: boolean): void => {
    const next = new Set(picked), [a, b] = range ? [Math.min(i, last.current), Math.max(i, last.current)] : [i, i];
    for (let k = a; k <= b && k < rows.length; k++) if (on) next.add(rows[k].id); else next.delete(rows[k].id);
    last.current = i;
    setPicked(next);
  };
  return (
    <div class="screen narrow">
      <header class="titlebar">
        <h1>Servers <span class="faint">{num(online)} of {num(all.length)} online{cost ? `, ${usd(cost)} an hour` : ''}</span></h1><span class="grow" />
        {mine.length > 0 && <button type="button" class="btn" disabled={ops.busy} onClick={() => ops.run('unbook', mine)}>Give back mine ({num(mine.length)})</button>}
        <button type="button" class="btn primary" onClick={() => setTaking(true)}>Book servers</button>
        {boss && <button type="button" class="btn" onClick={() => setAdding(true)}>Add servers</button>}
      </header>
      {fleets.data?.items.filter((x) => x.error).map((x) => <p class="note bad" key={x.id} role="alert">Fleet {visible(x.name)}: {visible(x.error!)}</p>)}
      {taken && <Taken ids={taken.ids} fleet={taken.fleet} store={store} close={() => setTaken(null)} />}
      {ops.note}
      {all.length > 0 && (
        <div class="bar-of">
          <FilterBox what="servers" hint="Filter, state:idle fleet:cloud owner:me" known={KEYS} to=".servers a" wide />
          <label class="check"><input type="checkbox" checked={rows.length > 0 && chosen.length === rows.length} onChange={(e) => setPicked(new Set(e.currentTarget.checked ? rows.map((s) => s.id) : []))} />all {num(rows.length)}</label>
          {chosen.length > 0 && <span class="seg" role="group" aria-label={`The ${plural(chosen.length, 'picked server')}`}>{(Object.keys(WORDS) as Op[]).map((op) => { const of = fit(op, chosen, m); return of.length ? <button key={op} type="button" class="btn small" disabled={ops.busy} onClick={() => ops.run(op, of)}>{WORDS[op]} {num(of.length)}</button> : null; })}</span>}
        </div>
      )}
      {!all.length ? <><Empty title="No servers yet">{boss ? 'Tests run on servers. This computer is the quickest one; “Add servers” takes machines by ssh; “Book servers” has a cloud make them.' : 'An admin can add some.'}</Empty>{boss && <section class="card" aria-labelledby="local-h"><h2 id="local-h">Use the server’s computer</h2><AddLocal added={(s) => store.put([s])} /></section>}</>
        : !rows.length ? <Empty title="No server fits the filter" />
          : <ul class="rows servers">{rows.map((s, i) => <Row key={s.id} s={s} picked={picked.has(s.id)} pick={(on, range) => pick(i, on, range)} run={ops.run} busy={ops.busy} />)}</ul>}
      {ops.dialog}
      <Dialog title="Book servers" open={taking} close={() => setTaking(false)}>{fleets.data || fleets.error ? <Take fleets={fleets.data?.items ?? []} error={fleets.error} all={all} done={(servers, fleet) => { store.put(servers); setTaken({ ids: servers.map((s) => s.id), fleet }); setTaking(false); }} close={() => setTaking(false)} /> : <Skeleton rows={3} />}</Dialog>
      <Dialog title="Add servers" open={adding && boss} close={() => setAdding(false)}><Add fleets={fleets.data?.items ?? []} done={(servers) => { store.put(servers); setAdding(false); }} close={() => setAdding(false)} /></Dialog>
    </div>
  );
}

/** How far the booking is: each server in a word, until all are ready. */
function Taken({ ids, fleet, store, close }: { ids: number[]; fleet: string; store: ServersStore; close: () => void }) {
  const all = ids.map((id) => store.servers.rows.get(id)).filter((s): s is Server => !!s), ready = all.filter((s) => s.status === 'created' && s.link === 'online').length, gone = ids.length - all.length + all.filter((s) => s.status === 'destroyed' || s.status === 'destroying').length;
  const done = ready === ids.length;
  useEffect(() => { if (done) say(`${plural(ids.length, 'server')} ready`); }, [done]);
  return (
    <section class="note taken" aria-label="Booking">
      <p><b>{plural(ids.length, 'server')} of {visible(fleet)} booked:</b> {num(ready)} ready{ids.length - ready - gone > 0 ? `, ${num(ids.length - ready - gone)} on the way` : ''}{gone ? `, ${num(gone)} not made` : ''}. <button type="button" class="btn small" onClick={close}>{done ? 'Close' : 'Hide'}</button></p>
      <progress max={ids.length} value={ready} aria-label="Ready servers" />
      {!done && <ul>{all.filter((s) => !(s.status === 'created' && s.link === 'online')).slice(0, 6).map((s) => <li key={s.id}>{visible(s.name)}: {visible(why(s) || serverFace(s).word)}</li>)}</ul>}
    </section>
  );
}

function Take({ fleets, error, all, done, close }: { fleets: Fleet[]; error: ApiError | null; all: Server[]; done: (s: Server[], fleet: string) => void; close: () => void }) {
  const usable = fleets.filter((f) => f.makes_machines || all.some((s) => s.fleet === f.name)), [id, setId] = useState(usable.find((f) => f.makes_machines)?.id ?? usable[0]?.id ?? 0), [count, setCount] = useState('1'), [size, setSize] = useState('');
  const fleet = usable.find((f) => f.id === id), cat = useLoad<Catalog>(fleet?.makes_machines ? `/fleets/${id}/catalog` : null), free = all.filter((s) => s.fleet === fleet?.name && !s.booked_by && s.status === 'created').length;
  const f = useForm(async (v) => { const n = Number(v.count); done((await post<{ servers: Server[] }>(`/fleets/${id}/take`, { count: n, ...(fleet?.makes_machines && v.size ? { size: v.size } : {}) })).servers, fleet!.name); },
    (v): Record<string, string> => (/^[1-9]\d{0,2}$/.test(v.count ?? '') ? {} : { count: `“${v.count ?? ''}” is no number from 1 to 999.` }));
  if (error && !fleets.length) return <><p class="note bad" role="alert">The fleets could not be loaded: {visible(error.message)}</p><p class="acts"><button type="button" class="btn" onClick={close}>Close</button></p></>;
  if (!usable.length) return <><p>There is nothing to book: no server, and no fleet that makes machines.</p><p class="acts"><button type="button" class="btn" autoFocus onClick={close}>Close</button></p></>;
  const price = cat.data?.sizes.find((s) => s.name === size)?.usd_per_hour, n = Number(count) || 0;
  return (
    <Form f={f} label="Book servers" submit={n > 0 ? `Book ${plural(n, 'server')}` : 'Book'} extra={<button type="button" class="btn" onClick={close}>Cancel</button>}
      onInput={(e) => { const el = e.target as HTMLInputElement; if (el.name === 'count') setCount(el.value); if (el.name === 'size') setSize(el.value); if (el.name === 'fleet') { setId(Number(el.value)); setSize(''); } }}>
      <Select f={f} name="fleet" label="Fleet" value={String(id)} options={usable.map((x) => [String(x.id), x.name])} hint={fleet ? <>{plural(free, 'free server')}{fleet.makes_machines ? `; ${fleet.machines_max ? `at most ${num(fleet.machines_max)} machines; ` : ''}what is missing is made` : ''}.</> : null} />
      <Field f={f} name="count" label="How many" value="1" required max={3} focus />
      {fleet?.makes_machines && <Select f={f} name="size" label="Size" value={size} options={[['', 'that of the fleet'], ...(cat.data?.sizes ?? []).filter((s) => s.available).map((s): [string, string] => [s.name, `${s.name}: ${s.cpus} CPU, ${Math.round(s.memory_mib / 102.4) / 10} GiB, ${usd(s.usd_per_hour)}/h`])]} />}
      {cat.error && <p class="note bad" role="alert">Its sizes could not be loaded: {visible(cat.error.message)}</p>}
      {fleet?.makes_machines && <p class="faint">{price !== undefined && n > 0 ? `${num(n)} × ${size} = ${usd(price * n)} an hour at most. ` : ''}Idle machines go by themselves{fleet.idle_ms ? ` after ${dur(fleet.idle_ms)}` : ', never here'}.</p>}
    </Form>
  );
}

type F = ReturnType<typeof useForm>;
/** How ssh gets there; what is left empty it decides itself. */
const Way = ({ f, s }: { f: F; s?: Server }) => <>
  <div class="pair"><Field f={f} name="address" label="Address" max={255} value={s?.address} placeholder="qa-1.example.org" hint={s ? null : 'Empty: the name.'} required={!!s} /><Field f={f} name="user" label="User" max={64} value={s?.user} /></div>
  <div class="pair"><Field f={f} name="port" label="Port" max={5} value={s?.port ? String(s.port) : ''} placeholder="22" /><Field f={f} name="identity" label="Key file on the server's computer" max={1024} placeholder={s ? 'as it is' : ''} code /></div>
</>;
const wrongWay = (v: Record<string, string>): Record<string, string> => ({
  ...(v.slots !== undefined && !/^[1-9]\d{0,2}$/.test(v.slots) ? { slots: 'A number from 1 to 256.' } : {}),
  ...(v.port && !/^[1-9]\d{0,4}$/.test(v.port) ? { port: 'A number from 1 to 65535.' } : {}),
});

/** Its record: only what is other than before is sent. */
function Edit({ s, done, close }: { s: Server; done: (s: Server) => void; close: () => void }) {
  const here = s.fleet === 'local';
  const f = useForm(async (v) => {
    const had: Record<string, string> = { name: s.name, slots: String(s.slots), address: s.address, user: s.user, port: s.port ? String(s.port) : '', identity: '' };
    done(await post<Server>(`/servers/${s.id}`, Object.fromEntries(Object.keys(v).filter((k) => v[k] !== had[k]).map((k) => [k, k === 'slots' || k === 'port' ? Number(v[k]) : v[k]]))));
  }, wrongWay);
  return (
    <Form f={f} label="Edit the server" submit="Save" extra={<button type="button" class="btn" onClick={close}>Cancel</button>}>
      <Field f={f} name="name" label="Name" value={s.name} required focus={!here} readOnly={here} hint={here ? 'Its folder has it.' : null} max={63} />
      {s.fleet === 'ssh' && <Way f={f} s={s} />}
      <Field f={f} name="slots" label="Tests at a time" value={String(s.slots)} required focus={here} max={3} />
      <p class="faint">Its agent is connected anew.{s.running.length > 0 && ' While it runs something, none of this can change: put it into maintenance first.'}</p>
    </Form>
  );
}

function Add({ fleets, done, close }: { fleets: Fleet[]; done: (s: Server[]) => void; close: () => void }) {
  const [fleet, setFleet] = useState('ssh'), [name, setName] = useState(''), many = patternCount(name), made = fleets.find((x) => x.name === fleet)?.makes_machines ?? false;
  const f = useForm(async (v) => {
    const body = { name: v.name, fleet, ...(made ? {} : { slots: Number(v.slots) }), ...(fleet === 'ssh' ? { ...(v.address ? { address: v.address } : {}), ...(v.port ? { port: Number(v.port) } : {}), ...(v.user ? { user: v.user } : {}), ...(v.identity ? { identity: v.identity } : {}) } : {}) };
    done(many > 1 ? (await post<{ servers: Server[] }>('/servers/add_many', body)).servers : [await post<Server>('/servers', body)]);
  }, (v) => {
    const bad: Record<string, string> = {};
    if (v.name && !many) bad.name = 'A pattern looks like web-{0..19}.';
    return { ...bad, ...wrongWay(v) };
  });
  return (
    <Form f={f} label="Add servers" submit={many > 1 ? `Add ${num(many)} servers` : 'Add the server'} extra={<button type="button" class="btn" onClick={close}>Cancel</button>}
      onInput={(e) => { const el = e.target as HTMLInputElement; if (el.name === 'fleet') setFleet(el.value); if (el.name === 'name') setName(el.value); }}>
      <Select f={f} name="fleet" label="Fleet" value={fleet} options={(fleets.length ? fleets.map((x) => x.name) : ['ssh', 'local']).map((x) => [x, x === 'ssh' ? 'ssh: a machine of yours' : x === 'local' ? "local: the server's computer" : x])} />
      <Field f={f} name="name" label="Name" required focus max={120} hint={<><code>web-{'{0..19}'}</code> makes twenty.</>} />
      {fleet === 'ssh' && <Way f={f} />}
      {!made && <Field f={f} name="slots" label="Tests at a time" value="1" required max={3} />}
      {made && <p class="faint">Only the record: its machine is made when it is switched on or booked.</p>}
    </Form>
  );
}

const IDLE: [string, string][] = [['-1', 'as the fleet says'], ['0', 'never'], ['900000', 'after 15 min'], ['1800000', 'after 30 min'], ['3600000', 'after 1 h'], ['14400000', 'after 4 h']];
export function ServerScreen({ id }: { id: number }) {
  const store = useMemo(() => new ServersStore(), []), ops = useOps(store), runs = usePages<Run>(`/runs?server=${id}`), [editing, setEditing] = useState(false);
  useEffect(() => store.start(), [store]);
  void store.rev.value;
  const s = store.servers.rows.get(id), m = me.value, boss = isAdmin(m);
  useTitle(s?.name ?? 'Server');
  if (store.phase.value === 'error') return <Failed error={store.error.value!} what="The server" retry={store.retry} />;
  if (store.phase.value === 'loading') return <Skeleton rows={6} />;
  if (!s) return <div class="empty"><h1>Nothing at /servers/{id}</h1><p>It may have been removed.</p><p><a class="btn" href="/servers">All servers</a></p></div>;
  const face = serverFace(s), h = s.health;
  const fact = (k: string, v: preact.ComponentChildren): preact.JSX.Element | null => (v === null || v === undefined || v === '' || v === false ? null : <div><dt>{k}</dt><dd>{v}</dd></div>);
  return (
    <div class="screen narrow cards">
      <header class="headline">
        <div class="titles"><p class="crumb"><a href="/servers">Servers</a></p><h1>{visible(s.name)} <Badge face={face} /><Booked s={s} /></h1><p class="sub">{where(s)}</p><Why s={s} /></div>
        <p class="acts">{(Object.keys(WORDS) as Op[]).filter((op) => fit(op, [s], m).length).map((op) => <button key={op} type="button" class={op === 'power_off' ? 'btn danger' : 'btn'} disabled={ops.busy} onClick={() => ops.run(op, [s])}>{WORDS[op]}</button>)}{boss && <button type="button" class="btn" onClick={() => setEditing(true)}>Edit</button>}</p>
      </header>
      {ops.note}
      <section class="card" aria-labelledby="now-h"><h2 id="now-h">Now</h2>
        {s.running.length ? <ul class="rows">{s.running.map((r) => <li key={r.run}><span class="what"><a href={`/runs/${r.run}`}>{visible(r.path)}</a>{r.reason ? <span class="faint"> {visible(r.reason)}</span> : null}</span><Elapsed from={r.started_at} /></li>)}</ul> : <p class="faint">It runs nothing.</p>}
        <dl class="facts">
          {fact('Address', s.address ? <><code>{visible(s.address)}</code> <Copy text={() => s.address} what="the address" /></> : null)}
          {fact('Agent', s.agent)}{fact('Load', h ? `${h.load.toFixed(2)}${h.cores ? ` on ${plural(h.cores, 'core')}` : ''}` : null)}
          {fact('Memory free', h?.memory_total_bytes ? `${bytes(h.memory_available_bytes ?? 0)} of ${bytes(h.memory_total_bytes)}` : null)}
          {fact('Disk free', h?.disk ? <span title={h.disk.path}>{bytes(h.disk.free_bytes)} of {bytes(h.disk.total_bytes)}</span> : null)}
          {fact('Clock', h && h.skew_ms !== null ? `${Math.abs(h.skew_ms) < 1000 ? `${h.skew_ms} ms` : `${(h.skew_ms / 1000).toFixed(1)} s`} off` : null)}
          {fact('System', h?.os ? `${visible(h.os)}, ${visible(h.kernel ?? '')}` : s.facts ? visible(s.facts) : null)}
          {fact('Tools', h?.tools?.length ? h.tools.map(visible).join(', ') : null)}
          {fact('Last report', h ? <Ago at={h.at} /> : null)}
          {fact('Price', s.usd_per_hour ? `${usd(s.usd_per_hour)} an hour` : null)}{fact('Machine', s.machine ? <code>{visible(s.machine)}</code> : null)}
        </dl>
        {boss && isMade(s) && <label class="check">Idle, its machine goes <select aria-label="When its idle machine goes" value={String(s.idle_ms ?? -1)} onChange={(e) => { void post<{ servers: Server[] }>('/servers/idle', { servers: [id], idle_ms: Number(e.currentTarget.value) }).then((a) => store.put(a.servers), () => store.retry()); }}>
          {IDLE.map(([v, text]) => <option key={v} value={v} selected={v === String(s.idle_ms ?? -1)}>{text}</option>)}{!IDLE.some(([v]) => v === String(s.idle_ms ?? -1)) && <option value={String(s.idle_ms)} selected>after {dur(s.idle_ms)}</option>}</select></label>}
      </section>
      <section class="card" aria-labelledby="runs-h"><h2 id="runs-h">What it ran</h2>
        {runs.error && !runs.items ? <Trouble error={runs.error} retry={runs.load} /> : !runs.items ? <p class="faint">…</p>
          : !runs.items.length ? <p class="faint">{visible(s.name)} has not run anything yet.</p>
            : <ul class="rows">{runs.items.map((r) => <li key={r.id}><Glyph face={runFace(r)} label /><span class="what"><a href={`/runs/${r.id}`}>{visible(r.path)}</a> <span class="faint">{visible(r.reason)}</span></span><span class="faint num">{dur(r.duration_ms)}</span><Ago at={r.ended_at ?? r.created_at} /></li>)}</ul>}
        <More l={runs} />
      </section>
      {boss && <Remove s={s} />}
      {ops.dialog}
      <Dialog title={`Edit ${visible(s.name)}`} open={editing} close={() => setEditing(false)}><Edit s={s} done={(x) => { store.put([x]); setEditing(false); say(`${x.name} changed`); }} close={() => setEditing(false)} /></Dialog>
    </div>
  );
}
function Remove({ s }: { s: Server }) {
  const [open, setOpen] = useState(false), [held, setHeld] = useState('');
  const remove = (machine: '' | 'destroy' | 'keep') => async (): Promise<void> => {
    const q = new URLSearchParams({ ...(machine ? { machine } : {}), ...(held ? { force: '1' } : {}) });
    try { await del(`/servers/${s.id}${q.size ? `?${q}` : ''}`); go('/servers'); }
    catch (e) { const x = asError(e); if (x.status !== 409 || held) throw x; setHeld(x.message); }
  };
  return (
    <section class="card danger" aria-labelledby="rm-h"><h2 id="rm-h">Remove</h2><p class="faint">The record goes; its runs stay in the history.</p><p class="acts"><button type="button" class="btn danger" onClick={() => setOpen(true)}>Remove {visible(s.name)}</button></p>
      <Dialog title={`Remove ${visible(s.name)}?`} open={open} close={() => { setOpen(false); setHeld(''); }}>
        <p>{s.machine ? 'It has a machine, which can be destroyed with it, or be left to itself.' : 'It cannot be brought back.'}</p>
        {held && <p class="note">{visible(held)}</p>}
        <p class="acts"><button type="button" class="btn" autoFocus onClick={() => { setOpen(false); setHeld(''); }}>Keep it</button>
          {s.machine ? <><Act run={remove('keep')}>Remove, keep the machine</Act><Act danger run={remove('destroy')}>Remove and destroy</Act></> : <Act danger run={remove('')}>{held ? 'Remove all the same' : 'Remove'}</Act>}</p>
      </Dialog>
    </section>
  );
}
