import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { base, bytes, dir, dur, exact, num, plural, visible } from '../../core/fmt';
import { matches } from '../../core/filter';
import { mayStop } from '../../core/account';
import { exampleFace, runFace } from '../../core/state';
import type { Example, Page, Run as R } from '../../core/types';
import { Ago, Badge, Copy, Elapsed, Empty, ExampleBar, Failed, Glyph, Skeleton, Tabs, Trouble } from '../parts/basics';
import { Artifacts } from '../parts/artifacts';
import { FilterBox, useFilter } from '../parts/filterbox';
import { Failure, titleOf } from '../parts/failure';
import { Log } from '../parts/log';
import { del } from '../api';
import { deleteLater } from '../later';
import { LogStore } from '../logstore';
import { Menu } from '../parts/menu';
import { Retest } from '../parts/retest';
import { RunCommand } from '../parts/started';
import { useLoad } from '../parts/useload';
import { go, setQuery, url, useKey, useTitle } from '../nav';
import { RunStore } from '../stores';
import { me } from '../who';
import { launchName } from './board';
import { Stop } from './launch';

const FIRST = 300, KEYS = ['state'];
function Examples({ store, r }: { store: RunStore; r: R }) {
  const [shown, setShown] = useState(FIRST), [at, setAt] = useState(-1);
  const { f } = useFilter(KEYS);
  void store.rev.value;
  const all = [...store.examples.rows.values()].sort((a, b) => a.seq - b.seq);
  const hit = all.filter((x) => matches(f, `${titleOf(x)} ${x.file}`, () => x.status));
  const failed = hit.filter((x) => x.status === 'failed' || x.status === 'error'), only = url.value.searchParams.get('show') === 'failed', rest = only ? [] : hit.filter((x) => x.status === 'passed' || x.status === 'pending'), groups = byGroup(rest.slice(0, shown));
  const linked = /^#ex-(\d+)$/.exec(url.value.hash), wanted = linked ? Number(linked[1]) : -1;
  useEffect(() => { if (wanted >= 0 && all.length) document.getElementById(`ex-${r.id}-${wanted}`)?.scrollIntoView({ block: 'center' }); }, [wanted, all.length > 0]);
  const step = (d: number) => {
    if (!failed.length) return;
    const next = Math.min(failed.length - 1, Math.max(0, at + d)), el = document.getElementById(`ex-${r.id}-${failed[next].seq}`);
    setAt(next);
    el?.querySelector('details')?.setAttribute('open', '');
    el?.scrollIntoView({ block: 'start' });
    el?.querySelector('summary')?.focus({ preventScroll: true });
  };
  useKey('n', 'Next failure', () => step(1));
  useKey('p', 'Previous failure', () => step(-1));
  if (!all.length) {
    return r.state === 'done' ? <Empty title="No examples">{r.outcome === 'no_tests' ? 'The file was loaded, and nothing in it was to be run.' : 'Nothing was reported; the log may say why.'}</Empty>
      : <Empty title="No examples yet">They appear here as they end.</Empty>;
  }
  return (
    <div class="examples">
      <div class="bar-of">
        <span class="seg" role="group" aria-label="Which examples">{[['', 'All'], ['failed', `Failed ${num(failed.length)}`]].map(([k, text]) => <button key={k} type="button" class="btn" aria-pressed={only === (k === 'failed')} onClick={() => setQuery('show', k)}>{text}</button>)}</span>
        <FilterBox what="examples" hint="Filter, state:pending" known={KEYS} to="main .failure summary" />
        <span class="faint num">{hit.length === all.length ? plural(all.length, 'example') : `${num(hit.length)} of ${plural(all.length, 'example')}`}</span>
      </div>
      {only && !failed.length && <Empty title="No failures" />}
      {!hit.length && <Empty title="No example fits the filter" />}
      {failed.map((x, i) => <Failure key={x.seq} x={x} open={i === 0 || x.seq === wanted} current={i === at || x.seq === wanted} kept={store.kept.of(x)} />)}
      {groups.map(([name, xs]) => {
        const failing = xs.some((x) => x.status === 'pending'), open = xs.some((x) => x.seq === wanted) || !!f.words.length || rest.length <= 40;
        return <details key={`${name}${open}`} class="group" open={open}><summary><Glyph face={exampleFace(failing ? 'pending' : 'passed')} /><span>{name || 'Examples'}</span> <span class="faint num">{plural(xs.length, 'example')}</span></summary><ul class="ended">{xs.map((x) => <Ended key={x.seq} x={x} current={x.seq === wanted} />)}</ul></details>;
      })}
      {rest.length > shown && <p class="acts"><button type="button" class="btn" onClick={() => setShown(rest.length)}>Show all {num(rest.length)}</button></p>}
    </div>
  );
}
/** By the outermost group, in the order they ran. */
function byGroup(all: Example[]): [string, Example[]][] {
  const out = new Map<string, Example[]>();
  for (const x of all) { const k = x.path.length > 1 ? visible(x.path[0]) : '', had = out.get(k); if (had) had.push(x); else out.set(k, [x]); }
  return [...out];
}
function Ended({ x, current }: { x: Example; current: boolean }) {
  const path = x.path.map(visible), last = path.pop() ?? '';
  return (
    <li id={`ex-${x.run}-${x.seq}`} data-current={current ? '' : undefined}>
      <Glyph face={exampleFace(x.status)} label />
      <span class="text">{path.length > 0 && <span class="faint">{path.join(' › ')} › </span>}{last}{x.status === 'pending' && x.pending && <span class="t-pend"> {visible(x.pending)}</span>}</span>
      <span class="num faint">{dur(x.duration_ms)}</span>
    </li>
  );
}

/** The newest runs of the same file; the keys [ and ] go through them. */
function Strip({ r }: { r: R }) {
  const l = useLoad<Page<R>>(`/runs?${new URLSearchParams({ path: r.path, limit: '40' })}`);
  const all = (l.data?.items ?? []).filter((x) => (['path', 'project', 'browser', 'language'] as const).every((k) => x[k] === r[k] || r[k] === undefined)).slice(0, 20).reverse(), at = all.findIndex((x) => x.id === r.id), to = (i: number): void => { if (all[i]) go(`/runs/${all[i].id}`); };
  useKey('[', 'Older run of this file', () => to(at - 1));
  useKey(']', 'Newer run of this file', () => to(at + 1));
  if (all.length < 2) return null;
  return <nav class="strip" aria-label="Runs of this file">{all.map((x) => <a key={x.id} href={`/runs/${x.id}`} aria-current={x.id === r.id ? 'page' : undefined} title={`${runFace(x).word}, ${exact(x.ended_at ?? x.created_at)}, ${dur(x.duration_ms)}`} aria-label={`#${x.id} ${runFace(x).word}`}><Glyph face={runFace(x)} /></a>)}</nav>;
}
function Fact({ name, children }: { name: string; children: ComponentChildren }) { return <div><dt>{name}</dt><dd>{children}</dd></div>; }

export function Run({ id }: { id: number }) {
  const store = useMemo(() => new RunStore(id), [id]);
  const log = useMemo(() => new LogStore(id), [id]);
  useEffect(() => store.start(), [store]);
  void store.rev.value;
  const r = store.run, phase = store.phase.value, face = r ? runFace(r) : null;
  useTitle(r && face ? `${base(r.path)} ${face.word}` : `Run ${id}`);
  const asked = url.value.searchParams.get('tab'), hash = url.value.hash;
  const quiet = r ? r.examples.failed + r.examples.errors + r.examples.passed + r.examples.pending === 0 : false;
  const files = store.kept.items.length;
  const tab = hash.startsWith('#L') || asked === 'log' ? 'log' : asked === 'files' && files > 0 ? 'files' : asked === 'start' ? 'start' : asked === 'examples' || hash.startsWith('#ex-') ? 'examples' : quiet ? 'log' : 'examples';
  const pick = (t: string) => { const u = new URL(location.href); u.searchParams.set('tab', t); u.searchParams.delete('q'); u.hash = ''; go(u.href); };
  const wantsLog = tab === 'log' && r !== null;
  const [opened, setOpened] = useState<LogStore | null>(null);
  useEffect(() => { if (wantsLog) setOpened(log); }, [wantsLog, log]);
  useEffect(() => opened?.start(), [opened]);
  useKey('1', 'Examples', () => pick('examples'));
  useKey('2', 'Log', () => pick('log'));
  useKey('3', 'Files', () => { if (files > 0) pick('files'); });
  useKey('4', 'How it was started', () => pick('start'));
  if (phase === 'error') return <Failed error={store.error.value!} what={`Run ${id}`} retry={store.retry} />;
  if (!r || !face) return <><h1 class="sr">Run {id}</h1><Skeleton /></>;
  const e = r.examples, going = r.state !== 'done' && r.state !== 'lost';
  return (
    <div class="screen" data-fill={tab === 'log' ? '' : undefined}>
      <header class="headline" data-tone={face.tone}>
        <div class="titles">
          <p class="crumb"><a href={`/launches/${r.launch}`}>{store.launch ? launchName(store.launch) : 'Launch'} #{r.launch}</a></p>
          <h1 class="path"><span class="dir">{visible(dir(r.path))}</span>{visible(base(r.path))} <Copy text={() => r.path} what="path" /></h1>
          <p class="sub"><Badge face={face} />{r.reason && <span class="reason">{visible(r.reason)}</span>}</p>
        </div>
        <div class="acts">
          {going ? mayStop(me.value, store.launch) && <Stop path={`/runs/${r.id}/stop`} what={`run ${r.id}`} busy={r.state === 'stopping'} /> : <Retest runs={[r.id]} />}
          <Menu label="More">
            <li><a href={`/api/v1/runs/${r.id}/log?download=1`} download={`run-${r.id}.log`}>Save the log</a></li>
            <li><a href={`/runs?q=file:${encodeURIComponent(r.path)}`}>This file in the history</a></li>
            {r.project ? <li><a href={`/files?project=${r.project}&path=${encodeURIComponent(r.path)}`}>This file over time</a></li> : null}
            {!going && mayStop(me.value, store.launch) && <li><button type="button" class="t-fail" onClick={() => { deleteLater(`Run ${r.id} deleted`, [`run:${r.id}`], (leaving) => del(`/runs/${r.id}`, false, leaving)); go(`/launches/${r.launch}`); }}>Delete</button></li>}
          </Menu>
        </div>
        <dl class="facts">
          <Fact name="Examples">{plural(e.passed + e.failed + e.pending, 'example')}{e.discovered > e.passed + e.failed + e.pending ? ` of ${num(e.discovered)}` : ''}
            {e.failed > 0 && <>, <span class="t-fail">{num(e.failed)} failed</span></>}{e.pending > 0 && <>, {num(e.pending)} pending</>}{e.errors > 0 && <>, <span class="t-fail">{plural(e.errors, 'error')}</span></>}{e.not_run > 0 && <>, <span class="t-fail" title={r.not_run_reason}>{num(e.not_run)} not run</span></>}</Fact>
          {r.language && <Fact name="With">{[r.language, r.browser].filter((x) => x && x !== 'default').map((x) => visible(x!)).join(', ')}</Fact>}
          <Fact name={going ? 'Running for' : 'Duration'}>{going ? <Elapsed from={r.started_at} /> : dur(r.duration_ms)}</Fact>
          <Fact name="Server">{r.server?.name ? <>{visible(r.server.name)}{r.slot ? `, slot ${r.slot}` : null}</> : '–'}</Fact>
          {!going && <Fact name="Exit">{r.signal ? `signal ${r.signal}` : r.exit_code !== null ? `status ${r.exit_code}` : '–'}</Fact>}
          <Fact name="Attempt">{r.attempt}</Fact>
          <Fact name="Commit"><code title={r.commit}>{r.commit.slice(0, 10)}</code></Fact>
          <Fact name="Started"><span title={exact(r.started_at)}><Ago at={r.started_at} /></span></Fact>
          {r.cpu_ms !== null && <Fact name="CPU time">{dur(r.cpu_ms)}</Fact>}
          {r.image && <Fact name="Image"><span title={r.image_digest ?? ''}>{visible(r.image)} <code>{(r.image_digest ?? '').replace('sha256:', '').slice(0, 12)}</code></span></Fact>}
          {r.max_rss_kib !== null && <Fact name="Memory">{bytes(r.max_rss_kib * 1024)}</Fact>}
        </dl>
        {e.discovered > 0 && <ExampleBar e={e} big />}
        <Strip key={`${r.id}${going}`} r={r} />
      </header>
      <Tabs tabs={[['examples', 'Examples', store.examples.rows.size], ['log', 'Log'], ...(files > 0 ? [['files', 'Files', files] as [string, string, number]] : []), ['start', 'Start']]} at={tab} pick={pick} />
      {store.error.value && <Trouble error={store.error.value} retry={store.load} after="What is shown may be old." />}
      <div class="panel" id={`panel-${tab}`} role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {tab === 'start' ? <RunCommand id={id} /> : tab === 'log' ? <Log key={id} log={log} name={r.path} /> : tab === 'files' ? <Artifacts items={store.kept.items} run={r.id} more={store.kept.more} /> : <Examples store={store} r={r} />}
      </div>
    </div>
  );
}
