import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { dir, base, dur, eta, exact, num, plural, usd, visible } from '../../core/fmt';
import { matches } from '../../core/filter';
import { bad, doneExamples, ended, isBad, launchFace, live, testFace } from '../../core/state';
import type { Launch as L, Run, Test } from '../../core/types';
import { mayStop } from '../../core/account';
import { ApiError, del, post } from '../api';
import { deleteLater } from '../later';
import { me } from '../who';
import { Ago, Badge, Dialog, Elapsed, Empty, Failed, Glyph, Kpi, Skeleton, Tabs, TestBar, Trouble } from '../parts/basics';
import { ByCause, sentence } from '../parts/causes';
import { Compare } from '../parts/compare';
import { FilterBox, useFilter } from '../parts/filterbox';
import { Failure } from '../parts/failure';
import { memo } from '../parts/memo';
import { Menu } from '../parts/menu';
import { LaunchParameters } from '../parts/started';
import { Retest } from '../parts/retest';
import { TimelineTab } from '../parts/timeline';
import { VList } from '../parts/vlist';
import { go, say, setQuery, url, useKey, useTitle } from '../nav';
import { failureKey, LaunchStore } from '../stores';
import { launchName, refText } from './board';

/** A button that asks once, then shows what the server made of it. */
export function Stop({ path, what, busy }: { path: string; what: string; busy: boolean }) {
  const [asked, setAsked] = useState(false), [sent, setSent] = useState(false), [error, setError] = useState<ApiError | null>(null);
  const stop = async () => {
    setAsked(false); setSent(true); setError(null);
    try { await post(path); } catch (e) { setError(e as ApiError); setSent(false); }
  };
  return (
    <>
      {error && <span class="t-fail" role="alert">{error.message}</span>}
      <button type="button" class="btn danger" disabled={sent || busy} onClick={() => setAsked(true)}>{sent || busy ? 'Stopping…' : 'Stop'}</button>
      <Dialog title={`Stop ${what}?`} open={asked} close={() => setAsked(false)}>
        <p>What runs is ended, what waits is cancelled. Results so far stay.</p>
        <p class="acts"><button type="button" class="btn" autoFocus onClick={() => setAsked(false)}>Keep running</button><button type="button" class="btn danger" onClick={() => void stop()}>Stop</button></p>
      </Dialog>
    </>
  );
}

const ORDER: Record<string, number> = { running: 0, waiting: 2, done: 1 };
const rank = (t: Test): number => (isBad(t.outcome) ? -1 : ORDER[t.state]);

const TestRow = memo(({ t, r }: { t: Test; r: Run | undefined }) => {
  const face = testFace(t), name = <><span class="dir">{visible(dir(t.path))}</span>{visible(base(t.path))}</>;
  return (
    <>
      <Glyph face={face} />
      <span class="path" title={t.path}>{t.run ? <a href={`/runs/${t.run}`}>{name}</a> : name}</span>
      <span class="state">{t.state === 'waiting' && t.why ? <span class="faint" title={t.why}>{visible(t.why)}</span> : <span class={`t-${face.tone}`}>{face.word}{t.attempts > 1 ? `, attempt ${t.attempts}` : ''}</span>}</span>
      <span class="server">{visible(r?.server?.name ?? '')}</span>
      <span class="time num">{t.state === 'running' ? <Elapsed from={r?.started_at ?? null} /> : t.state === 'done' ? dur(r?.duration_ms) : null}</span>
    </>
  );
});

const KEYS = ['state', 'server'];
function Tests({ store }: { store: LaunchStore }) {
  const rev = store.rev.value, { q, f } = useFilter(KEYS);
  const rows = useMemo(() => {
    const all = [...store.tests.rows.values()].filter((t) => matches(f, t.path, (k) => (k === 'server' ? store.runs.rows.get(t.id)?.server?.name ?? '' : testFace(t).word)));
    return all.sort((a, b) => rank(a) - rank(b) || a.id - b.id);
  }, [rev, q]);
  return (
    <div class="tests">
      <div class="bar-of">
        <FilterBox what="tests" hint="Filter, state:failed server:qa-1" known={KEYS} />
        <span class="faint num">{rows.length === store.tests.rows.size ? plural(rows.length, 'test') : `${num(rows.length)} of ${plural(store.tests.rows.size, 'test')}`}</span>
      </div>
      {rows.length ? <VList class="testlist" count={rows.length} row={34} label="Tests" rowsRole="list"
        item={(i, slot) => <div class="trow" role="listitem" key={slot} aria-setsize={rows.length} aria-posinset={i + 1}><TestRow t={rows[i]} r={store.runs.rows.get(rows[i].id)} /></div>} />
        : <Empty title={q ? 'No test fits the filter' : 'No tests'} />}
    </div>
  );
}

const FIRST = 50;
function Failures({ store, l }: { store: LaunchStore; l: L }) {
  const [at, setAt] = useState(''), [shown, setShown] = useState(FIRST), each = url.value.searchParams.get('group') === 'none';
  void store.rev.value;
  const all = [...store.failures.rows.values()].sort((a, b) => a.run - b.run || a.seq - b.seq), list = all.slice(0, shown), causes = store.causes?.causes.length ? store.causes : null;
  const paths = useMemo(() => new Map([...store.every.rows.values()].map((r) => [r.id, r.path])), [store.every.rows.size]);
  const explained = new Set(all.map((x) => x.run)), silent = [...store.tests.rows.values()].filter((t) => isBad(t.outcome) && !(t.run && explained.has(t.run)));
  const cut = [...store.runs.rows.values()].filter((r) => r.examples.not_run > 0);
  /** From failure to failure, as they stand on the page; one that is folded away is opened. */
  const step = (d: number): void => {
    const there = [...document.querySelectorAll<HTMLElement>('.failure')], i = there.findIndex((f) => f.id === `ex-${at.replace('.', '-')}`), el = there[Math.min(there.length - 1, Math.max(0, i + d))];
    if (!el) return;
    setAt(el.id.slice(3).replace('-', '.'));
    for (let p: Element | null = el; p; p = p.parentElement) if (p.tagName === 'DETAILS') p.setAttribute('open', '');
    el.querySelector('details')?.setAttribute('open', '');
    el.scrollIntoView({ block: 'start' });
    el.querySelector('summary')?.focus({ preventScroll: true });
  };
  useKey('n', 'Next failure', () => step(1));
  useKey('p', 'Previous failure', () => step(-1));
  const none = !all.length && !silent.length;
  return (
    <>
      {none && !cut.length && (live(l) ? <Empty title="No failures so far">They appear here the moment they happen.</Empty>
        : bad(l.tests) ? <Empty title="Nothing to show here">See the tab Tests.</Empty> : <Empty title="No failures">{l.outcome === 'passed' ? 'Everything passed.' : undefined}</Empty>)}
      {causes && <div class="bar-of"><b class="num">{sentence(causes)}</b><span class="grow" /><span class="seg" role="group" aria-label="Failures"><button type="button" class="btn small" aria-pressed={!each} onClick={() => setQuery('group', '')}>By cause</button><button type="button" class="btn small" aria-pressed={each} onClick={() => setQuery('group', 'none')}>One by one</button></span></div>}
      {silent.length > 0 && (!causes || each) && (
        <section class="silent" aria-labelledby="silent-h">
          <h2 id="silent-h">Ended without a failing example <span class="n">{num(silent.length)}</span></h2>
          <ul>{silent.slice(0, 100).map((t) => {
            const r = store.runs.rows.get(t.id);
            return <li key={t.id}><Badge face={testFace(t)} /> {t.run ? <a href={`/runs/${t.run}`}>{visible(t.path)}</a> : visible(t.path)} <span class="faint">{visible(r?.reason || t.why)}</span></li>;
          })}</ul>
        </section>
      )}
      {causes && !each ? <ByCause store={store} l={l} causes={causes} paths={paths} at={at} /> : <>
        {list.map((x, i) => <Failure key={failureKey(x)} x={x} open={i === 0 || all.length <= 3} where={paths.get(x.run) ?? ''} current={failureKey(x) === at} kept={store.kept.of(x)} />)}
        {(all.length > shown || store.more) && <p class="acts"><button type="button" class="btn" onClick={() => setShown(shown + 200)} disabled={shown >= all.length}>
          {shown >= all.length ? `The first ${num(all.length)} are shown` : `Show more, ${num(all.length - shown)} left`}</button></p>}
      </>}
      {cut.length > 0 && (
        <section class="silent" aria-labelledby="cut-h">
          <h2 id="cut-h">Not run <span class="n">{plural(cut.reduce((n, r) => n + r.examples.not_run, 0), 'example')}</span></h2>
          <ul>{cut.slice(0, 100).map((r) => <li key={r.id}><a href={`/runs/${r.id}`}>{visible(r.path)}</a> <span>{num(r.examples.not_run)} of {num(r.examples.discovered)}</span> <span class="faint">{visible(r.not_run_reason)}</span></li>)}</ul>
        </section>
      )}
    </>
  );
}

const TABS = ['failures', 'tests', 'timeline', 'compare', 'parameters'];
export function Launch({ id }: { id: number }) {
  const store = useMemo(() => new LaunchStore(id), [id]);
  useEffect(() => store.start(), [store]);
  void store.rev.value;
  const l = store.launch, phase = store.phase.value, told = useRef<string>('');
  const face = l ? launchFace(l) : null, failures = l ? Math.max(l.examples.failed + l.examples.errors, store.causes?.failures ?? 0) : 0;
  useTitle(l && face ? `${isBad(l.outcome) || bad(l.tests) ? `${bad(l.tests)} failed · ` : ''}${launchName(l)} ${face.word}` : `Launch ${id}`);
  useEffect(() => {
    if (!l) return;
    const text = `${ended(l.tests)} files done, ${bad(l.tests)} failed, ${live(l) ? eta(l.eta_ms) : face!.word}`;
    if (told.current && told.current.split(', ')[1] !== text.split(', ')[1] || (told.current && !live(l))) say(text);
    told.current = text;
  }, [l && bad(l.tests), l?.state]);
  const tab = TABS.find((x) => x === url.value.searchParams.get('tab')) ?? 'failures';
  const pick = (t: string) => { const u = new URL(location.href); u.search = t === 'failures' ? '' : `?tab=${t}`; go(u.href); };
  useKey('1', 'Failures', () => pick('failures'));
  useKey('2', 'Tests', () => pick('tests'));
  useKey('3', 'Timeline', () => pick('timeline'));
  useKey('4', 'Compare', () => pick('compare'));
  useKey('5', 'Parameters', () => pick('parameters'));
  if (phase === 'error') return <Failed error={store.error.value!} what={`Launch ${id}`} retry={store.retry} />;
  if (!l || !face) return <><h1 class="sr">Launch {id}</h1><Skeleton /></>;
  const t = l.tests, e = l.examples;
  return (
    <div class="screen">
      <header class="headline" data-tone={face.tone}>
        <div class="titles">
          <h1>{launchName(l)} <span class="faint">#{l.id}</span></h1>
          <p class="sub"><Badge face={face} />{l.reason && <span>{visible(l.reason)}</span>}
            <span class="faint">{visible(l.project.name)} · {refText(l) && `${refText(l)} · `}<code title={l.commit}>{l.commit.slice(0, 10)}</code> · <span title={exact(l.created_at)}>started <Ago at={l.started_at ?? l.created_at} />{l.user && ` by ${visible(l.user.login)}`}</span></span></p>
        </div>
        <div class="acts">
          {l.state !== 'done' ? mayStop(me.value, l) && <Stop path={`/launches/${l.id}/stop`} what={`launch ${l.id}`} busy={l.state === 'stopping'} /> : <>
            {bad(t) + t.stopped > 0 && <Retest launch={l.id} failed={bad(t) + t.stopped} kind="primary" />}
            {e.failed > 0 && <Retest launch={l.id} examples={e.failed} />}
            <Retest launch={l.id} /></>}
          <Menu label="More">
            <li><a href={`/api/v1/launches/${l.id}/junit`} download={`launch-${l.id}.xml`}>JUnit XML</a></li>
            <li><a href={`/runs?q=launch:${l.id}`}>Its runs in the history</a></li>
            {l.state === 'done' && mayStop(me.value, l) && <li><button type="button" class="t-fail" onClick={() => { deleteLater(`Launch ${l.id} deleted`, [`launch:${l.id}`], (leaving) => del(`/launches/${l.id}`, false, leaving)); go('/launches'); }}>Delete</button></li>}
          </Menu>
        </div>
        <dl class="kpirow">
          <Kpi n={bad(t)} label={bad(t) === 1 ? 'file failed' : 'files failed'} tone={bad(t) ? 'fail' : ''} />
          <Kpi n={t.passed} label="passed" tone={t.passed ? 'pass' : ''} />
          {t.stopped > 0 && <Kpi n={t.stopped} label="stopped" />}
          <Kpi n={ended(t)} of={t.total} label="files done" />
          <Kpi n={doneExamples(e)} of={e.discovered > doneExamples(e) ? e.discovered : undefined} label={`examples${e.pending ? `, ${num(e.pending)} pending` : ''}`} />
          {e.not_run > 0 && <Kpi n={e.not_run} label="not run" tone="fail" />}
          <Kpi n={failures} label={store.causes?.causes.length ? `failures, ${plural(store.causes.n_causes, 'cause')}` : 'failures'} tone={failures ? 'fail' : ''} />
          <div class="kpi"><dd>{live(l) ? <Elapsed from={l.started_at} /> : dur(l.started_at && l.ended_at ? Date.parse(l.ended_at) - Date.parse(l.started_at) : null)}</dd><dt>{live(l) ? eta(l.eta_ms) : 'duration'}</dt></div>
          {l.cost_usd ? <div class="kpi"><dd>{usd(l.cost_usd)}</dd><dt>{live(l) ? 'cost so far' : 'cost'}</dt></div> : null}
        </dl>
        <TestBar t={t} big />
      </header>
      <Tabs tabs={[['failures', 'Failures', failures], ['tests', 'Tests', t.total], ['timeline', 'Timeline'], ['compare', 'Compare'], ['parameters', 'Parameters']]} at={tab} pick={pick} />
      {l.note && <p class="note">{visible(l.note)}</p>}
      {store.error.value && <Trouble error={store.error.value} retry={store.load} after="What is shown may be old." />}
      <div class="panel" id={`panel-${tab}`} role="tabpanel" aria-labelledby={`tab-${tab}`}>
        {phase === 'loading' ? <Skeleton /> : tab === 'tests' ? <Tests store={store} /> : tab === 'timeline' ? <TimelineTab runs={store.every.rows} rev={store.rev.value} going={live(l)} /> : tab === 'compare' ? <Compare key={l.state} id={id} /> : tab === 'parameters' ? <LaunchParameters l={l} tests={store.tests.rows} /> : store.whole || store.error.value ? <Failures store={store} l={l} /> : <Skeleton />}
      </div>
    </div>
  );
}
