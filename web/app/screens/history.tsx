/** What ran: runs and launches of everybody, found by a filter that is in the address; chosen ones are run again, saved, deleted. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { isAdmin } from '../../core/account';
import { base, dir, dur, num, plural, visible } from '../../core/fmt';
import { ask, fits, LAUNCH_KEYS, RANGES, RUN_KEYS, type Asked, type Names } from '../../core/history';
import { ended, runFace } from '../../core/state';
import type { Deleted, Job, Launch, Project, Run, Server, User } from '../../core/types';
import { asError, get, post, type ApiError } from '../api';
import { deleteLater, gone } from '../later';
import { subscribe } from '../live';
import { say, setQuery, url, useKey, useTitle } from '../nav';
import { Ago, Dialog, Empty, Failed, Glyph, Skeleton } from '../parts/basics';
import { FilterBox, useFilter } from '../parts/filterbox';
import { Menu } from '../parts/menu';
import { Rows } from '../parts/rows';
import { useLoad, usePages } from '../parts/useload';
import { me } from '../who';
import { launchName, LaunchRow } from './board';

type Items<T> = { items: T[] };
/** Ids behind the names of the filter, as far as this person may know them; null while they are being read. */
function useNames(seen: ReadonlyMap<string, number>, wants: (key: string) => boolean): Names | null {
  const projects = useLoad<Items<Project>>(wants('project') ? '/projects' : null), servers = useLoad<Items<Server>>(wants('server') ? '/servers?limit=500' : null),
    users = useLoad<Items<User>>(wants('owner') && isAdmin(me.value) && me.value?.accounts ? '/users?limit=500' : null);
  const map = (l: { data: Items<{ id: number; name?: string; login?: string }> | null }): Map<string, number> => new Map(l.data?.items.map((x) => [(x.name ?? x.login ?? '').toLowerCase(), x.id]));
  if ((wants('project') && !projects.data && !projects.error) || (wants('server') && !servers.data && !servers.error)) return null;
  return { me: me.value?.accounts ? me.value.user?.id ?? null : null, owner: new Map([...seen, ...map(users)]), project: map(projects), server: map(servers) };
}
/** How many ended since `items` were read: the live stream says it, and nothing moves until somebody asks. */
function useNew(since: unknown): number {
  const [n, setN] = useState(0), known = useRef(new Map<number, number>());
  useEffect(() => setN(0), [since]);
  useEffect(() => subscribe({
    topics: () => ['launches'], ready: () => {},
    on: (batch) => {
      let more = 0;
      for (const e of batch) if (e.type === 'launch') { const l = e.data as Launch, had = known.current.get(l.id), now = ended(l.tests); if (had !== undefined && now > had) more += now - had; known.current.set(l.id, now); }
      if (more) setN((had) => had + more);
    },
  }), []);
  return n;
}

function RunRow({ r }: { r: Run }) {
  const face = runFace(r), e = r.examples, failed = e.failed + e.errors, done = e.passed + e.pending + failed;
  return (
    <>
      <Glyph face={face} label />
      <span class="file"><a href={`/runs/${r.id}`} tabIndex={-1} title={r.path}>{visible(base(r.path))}</a> <span class={`t-${face.tone}`} title={r.reason}>{failed ? `${num(failed)} of ${num(done)} failed` : face.word}</span></span>
      <span class="time num">{dur(r.duration_ms)}</span>
      <span class="sub">{[dir(r.path), [r.project_name, r.ref].filter(Boolean).join(' '), r.language, r.browser === 'default' ? '' : r.browser, r.server?.name, r.login].filter(Boolean).map((x) => visible(x!)).join(' · ')} · <a href={`/launches/${r.launch}`} tabIndex={-1}>#{r.launch}</a></span>
      <span class="when"><Ago at={r.ended_at ?? r.created_at} /></span>
    </>
  );
}

/** What the filter asks for; the address says it at once, the server is asked when typing rests. */
function useAsked(known: readonly string[], seen: ReadonlyMap<string, number>, words: string): { asked: Asked | null; path: string | null; query: string } {
  const { f } = useFilter(known), range = url.value.searchParams.get('range') ?? '', names = useNames(seen, (k) => f.keys.has(k)), [moment, setMoment] = useState(Date.now());
  useEffect(() => setMoment(Date.now()), [range]);
  const asked = names && ask(f, range, names, moment, words), said = asked && !asked.problems.length ? new URLSearchParams(asked.query).toString() : null;
  const [query, setText] = useState(said), now = names ? said : query;  // while names are read, what is shown stays
  useEffect(() => { const t = setTimeout(() => setText(now), query === null ? 0 : 250); return () => clearTimeout(t); }, [now]);
  return { asked, path: query, query: query ?? '' };
}
const Started = ({ l }: { l: Launch }) => <p class="note told" role="status">{plural(l.tests.total, 'test')} started again. <a href={`/launches/${l.id}`}>Watch #{l.id}</a></p>;

function Head({ at, children }: { at: 'runs' | 'launches'; children?: preact.ComponentChildren }) {
  const range = url.value.searchParams.get('range') ?? '', known = at === 'runs' ? RUN_KEYS : LAUNCH_KEYS, rest = url.value.search;
  useTitle(at === 'runs' ? 'Runs' : 'Launches');
  return (
    <>
      <h1 class="sr">{at === 'runs' ? 'Runs' : 'Launches'}</h1>
      <div class="bar-of">
        <nav class="seg" aria-label="History of">{(['runs', 'launches'] as const).map((x) => <a key={x} class="btn" href={`/${x}${rest}`} aria-current={x === at ? 'page' : undefined}>{x === 'runs' ? 'Runs' : 'Launches'}</a>)}</nav>
        <FilterBox what={at} hint={at === 'runs' ? 'pivot state:failed owner:me' : 'nightly state:failed owner:me'} known={known} to="main .vlist, main .launch" wide />
        <select aria-label="When" value={range} onChange={(e) => setQuery('range', e.currentTarget.value)}>{RANGES.map(([id, text]) => <option key={id} value={id} selected={id === range}>{text}</option>)}</select>
        {children}
      </div>
    </>
  );
}
/** Why there is nothing: which part of the filter to drop. */
function NoFit({ what }: { what: string }) {
  const u = url.value, q = (u.searchParams.get('q') ?? '').split(/\s+/).filter(Boolean), range = u.searchParams.get('range');
  return <Empty title={`No ${what} fits`}>Without {[...q, ...(range ? [''] : [])].map((w, i) => <>{i ? ' or ' : ''}<button key={w} type="button" class="asin" onClick={() => (w ? setQuery('q', q.filter((x) => x !== w).join(' ')) : setQuery('range', ''))}>{w ? visible(w) : 'the time'}</button></>)} there may be some.</Empty>;
}

export function Runs() {
  const seen = useRef(new Map<string, number>()), { asked, path, query } = useAsked(RUN_KEYS, seen.current, 'path');
  const l = usePages<Run>(path === null ? null : `/runs${path && `?${path}`}`, 100), news = useNew(l.items), [picked, setPicked] = useState<ReadonlySet<number>>(new Set()), [made, setMade] = useState<Launch | null>(null), [error, setError] = useState<ApiError | null>(null), [clearing, setClearing] = useState(false), [job, setJob] = useState<Job | null>(null), [told, setTold] = useState('');
  for (const r of l.items ?? []) if (r.login && r.user) seen.current.set(r.login.toLowerCase(), r.user);
  const away = gone.value, rows = useMemo(() => (l.items ?? []).filter((r) => !away.has(`run:${r.id}`) && (!asked || fits(asked, r.path, r.duration_ms))), [l.items, away, asked?.longer, asked?.not.join()]);
  const chosen = rows.filter((r) => picked.has(r.id)), ids = chosen.map((r) => r.id), q = url.value.searchParams.get('q') ?? '', any = q.trim() !== '' || url.value.searchParams.has('range');
  const retest = async (runs: number[]): Promise<void> => {
    setError(null); setMade(null);
    try { const x = await post<Launch>('/runs/retest', { runs }); setMade(x); setPicked(new Set()); say(`Launch ${x.id} started`); } catch (e) { setError(asError(e)); }
  };
  const remove = (runs: Run[]): void => { setPicked(new Set()); deleteLater(`${plural(runs.length, 'run')} deleted`, runs.map((r) => `run:${r.id}`), (leaving) => post('/runs/delete', { runs: runs.map((r) => r.id) }, false, leaving)); };
  useKey('r', 'Run the picked ones again', () => { if (ids.length) void retest(ids); });
  const glue = (tail: string): string => (query ? `${query}&${tail}` : tail), out = (format: string): string => `/api/v1/runs/export?${glue(`format=${format}`)}`;
  return (
    <div class="screen history">
      <Head at="runs">
        <Menu label="Export">
          {['csv', 'json', 'junit'].map((k) => <li key={k}><a href={out(k)} download={`runs.${k === 'junit' ? 'xml' : k}`}>{k === 'junit' ? 'JUnit XML' : k.toUpperCase()} of all that fit</a></li>)}
          <li><a href={`/api/v1/runs/logs.zip${query && `?${query}`}`} download="logs.zip">Their logs (.zip)</a></li>
          {isAdmin(me.value) && <li><button type="button" class="t-fail" onClick={() => setClearing(true)}>Clear the history…</button></li>}
        </Menu>
      </Head>
      {chosen.length > 0 && (
        <div class="bulk" role="group" aria-label={plural(chosen.length, 'picked run')}>
          <span><b class="num">{num(chosen.length)}</b> picked</span>
          <span class="seg"><button type="button" class="btn small" onClick={() => void retest(ids)}>Run again {num(ids.length)}</button><button type="button" class="btn small" onClick={() => remove(chosen)}>Delete {num(ids.length)}</button><button type="button" class="btn small" onClick={() => setPicked(new Set())}>Pick none</button></span>
        </div>
      )}
      {made && <Started l={made} />}
      {error && <p class="note bad" role="alert">{visible(error.message)}</p>}
      {told && <p class="note told" role="status">{told}</p>}
      {job && <Progress job={job} done={() => void l.load()} />}
      {asked?.problems.map((p) => <p class="note" key={p} role="status">{visible(p)}</p>)}
      {news > 0 && <button type="button" class="btn fresh" onClick={() => void l.load()}>{num(news)} new</button>}
      {l.error && !l.items ? <Failed error={l.error} what="The history" retry={() => void l.load()} /> : asked?.problems.length ? null : !l.items || path === null ? <Skeleton rows={10} />
        : !rows.length && !l.more ? any ? <NoFit what="run" /> : <Empty title="Nothing ran yet">Your finished runs appear here. <a href="/compose">Compose</a> a launch.</Empty>
          : <Rows items={rows} row={48} label="Runs" name={(r) => visible(r.path)} href={(r) => `/runs/${r.id}`} source={l} picked={picked} pick={setPicked}>{(r) => <RunRow r={r} />}</Rows>}
      <Dialog title="Clear the history" open={clearing} close={() => setClearing(false)}><Clear asked={asked} any={any} q={q} done={(d) => { setClearing(false); setJob(d.job); if (!d.job) { setTold(`${plural(d.runs, 'run')} deleted`); void l.load(); } }} close={() => setClearing(false)} /></Dialog>
    </div>
  );
}

/** What cannot be taken back says what it is about, and wants to be told that it is meant. */
function Clear({ asked, any, q, done, close }: { asked: Asked | null; any: boolean; q: string; done: (d: Deleted) => void; close: () => void }) {
  const [sure, setSure] = useState(false), [error, setError] = useState<ApiError | null>(null), local = !!asked && (asked.not.length > 0 || asked.longer > 0), body = any ? Object.fromEntries(Object.entries(asked?.query ?? {}).map(([k, v]) => [k, /^[1-9]\d*$/.test(v) ? Number(v) : v])) : { all: true };
  const go = async (): Promise<void> => { try { done(await post<Deleted>('/history/clear', body)); } catch (e) { setError(asError(e)); } };
  return (
    <>
      <p>{any ? <>Every run that fits <code>{visible(q) || 'the time'}</code> is deleted</> : <b>Every run of everybody is deleted</b>}, with its log, its examples and its files. It cannot be brought back. What is under way stays.</p>
      {local && <p class="note">Words with a minus and <code>slow:</code> are no part of what can be cleared by: take them out of the filter.</p>}
      {error && <p class="note bad" role="alert">{visible(error.message)}</p>}
      <label class="check"><input type="checkbox" checked={sure} onChange={(e) => setSure(e.currentTarget.checked)} />I mean it</label>
      <p class="acts"><button type="button" class="btn" autoFocus onClick={close}>Keep it</button><button type="button" class="btn danger" disabled={!sure || local} onClick={() => void go()}>Clear</button></p>
    </>
  );
}
/** How far a job is, as the live stream says it. */
export function Progress({ job, done }: { job: Job; done: () => void }) {
  const [j, setJ] = useState(job), over = j.state !== 'running' && j.state !== 'waiting';
  useEffect(() => subscribe({
    topics: () => ['jobs'], on: (batch) => { for (const e of batch) if (e.type === 'job' && (e.data as Job).id === job.id) setJ(e.data as Job); },
    ready: () => { get<Job>(`/jobs/${job.id}`).then(setJ, () => { /* the stream goes on saying it */ }); },
  }), [job.id]);
  useEffect(() => { if (over) { say(`${j.kind}: ${j.state}`); done(); } }, [over]);
  return (
    <div class={j.error ? 'note bad' : 'note'} role={over ? 'status' : undefined}><p>{visible(j.kind)}: {num(j.done)}{j.total !== null ? ` of ${num(j.total)}` : ''}, {visible(j.state)}{j.error && `: ${visible(j.error)}`}</p>
      {!over && <progress max={j.total ?? 1} value={j.total ? j.done : undefined} aria-label={visible(j.kind)} />}</div>
  );
}

export function Launches() {
  const seen = useRef(new Map<string, number>()), { asked, path } = useAsked(LAUNCH_KEYS, seen.current, 'q');
  const l = usePages<Launch>(path === null ? null : `/launches${path && `?${path}`}`, 50), news = useNew(l.items), away = gone.value;
  for (const x of l.items ?? []) if (x.user) seen.current.set(x.user.login.toLowerCase(), x.user.id);
  const rows = (l.items ?? []).filter((x) => !away.has(`launch:${x.id}`) && (!asked || fits(asked, launchName(x), x.started_at && x.ended_at ? Date.parse(x.ended_at) - Date.parse(x.started_at) : null)));
  return (
    <div class="screen history">
      <Head at="launches" />
      {asked?.problems.map((p) => <p class="note" key={p} role="status">{visible(p)}</p>)}
      {news > 0 && <button type="button" class="btn fresh" onClick={() => void l.load()}>{num(news)} new</button>}
      {l.error && !l.items ? <Failed error={l.error} what="The launches" retry={() => void l.load()} /> : asked?.problems.length ? null : !l.items || path === null ? <Skeleton rows={10} />
        : !rows.length && !l.more ? url.value.search ? <NoFit what="launch" /> : <Empty title="No launches yet"><a href="/compose">Compose</a> the first one.</Empty>
          : <Rows items={rows} row={innerWidth > 620 ? 76 : 110} label="Launches" name={launchName} href={(x) => `/launches/${x.id}`} source={l} class="launchrows">{(x) => <LaunchRow l={x} quiet />}</Rows>}
    </div>
  );
}
