import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { base, dur, eta, num, plural, visible } from '../../core/fmt';
import { matches } from '../../core/filter';
import { bad, byName, doneExamples, ended, healthNotes, launchFace, live, serverFace, sum } from '../../core/state';
import type { Launch, Server } from '../../core/types';
import { Ago, Elapsed, Empty, ExampleBar, Failed, Glyph, Kpi, Skeleton, TestBar } from '../parts/basics';
import { fetchSoon, rest } from '../groups';
import { FilterBox, useFilter } from '../parts/filterbox';
import { lazy } from '../parts/lazy';
import { memo } from '../parts/memo';
import { replace, say, url, useTitle } from '../nav';
import { QueuePane } from '../parts/queue';
import { QueueStore } from '../queuestore';
import { BoardStore } from '../stores';

/** The branch or tag that was asked for; nothing when it was the default branch, or the commit itself. */
export const refText = (l: Launch): string => l.ref && l.ref !== l.commit ? visible(l.ref) : '';
export const launchName = (l: Launch): string => visible(l.name || l.project.name) + (!l.name && refText(l) ? ` ${refText(l)}` : '');

const Tile = memo(({ s }: { s: Server }) => {
  const face = serverFace(s), free = s.slots - s.running.length;
  return (
    <li class="tile" data-tone={face.tone}>
      <div class="head">
        <Glyph face={face} /><a class="name" href={`/servers/${s.id}`} title={s.name}>{visible(s.name)}</a>
        <span class="word">{face.word}{s.slots > 1 && s.link === 'online' ? `, ${s.running.length} of ${s.slots}` : null}</span>
      </div>
      {s.running.map((r) => (
        <a class="slot" href={`/runs/${r.run}`} title={r.path} key={r.run}>
          <span class="file">{visible(base(r.path))}</span>
          {r.state === 'preparing' ? <span class="faint">{`preparing: ${visible(r.reason || 'its code is brought')}`}</span> : <Elapsed from={r.started_at} />}
          {r.examples ? <ExampleBar e={r.examples} /> : <span class="bar busy" aria-hidden="true" />}
          {r.examples && <span class="sr">{`${r.examples.passed} passed, ${r.examples.failed} failed of ${r.examples.discovered}`}</span>}
        </a>
      ))}
      {s.sick && <p class="why t-fail">{visible(s.sick)}{s.sick_since ? <>, <Ago at={s.sick_since} /></> : null}{s.destroys_at ? <>; it goes at <time dateTime={s.destroys_at}>{s.destroys_at.slice(11, 16)} UTC</time></> : null}</p>}
      {healthNotes(s.health).map((n) => <p class="why" key={n}>{visible(n)}</p>)}
      {s.link !== 'online' && <p class="why">{visible(s.reason || (s.link === 'connecting' ? 'Waiting for its agent' : 'Not connected'))}, <Ago at={s.since} /></p>}
      {s.link === 'online' && !s.running.length && !s.sick && <p class="why">{free > 1 ? `${free} slots free` : 'Free'}, <Ago at={s.since} /></p>}
    </li>
  );
});

/** `quiet`: in a list that has a tab stop of its own. */
export const LaunchRow = memo(({ l, quiet = false }: { l: Launch; quiet?: boolean }) => {
  const t = l.tests, face = launchFace(l), wrong = bad(t);
  return (
      <a class="launch" href={`/launches/${l.id}`} tabIndex={quiet ? -1 : undefined}>
        <Glyph face={face} label />
        <span class="name" title={launchName(l)}><b>{launchName(l)}</b> <span class="faint">#{l.id}</span></span>
        <span class="sub" title={[l.project.name, l.ref, l.commit, l.user?.login].filter(Boolean).join(' · ')}>{visible(l.project.name)} · {refText(l) && `${refText(l)} · `}<code>{l.commit.slice(0, 7)}</code>{l.user && ` · ${visible(l.user.login)}`}</span>
        <span class="counts">
          <span class={wrong ? 't-fail' : 'faint'}>{num(wrong)} failed</span>
          <span>{num(ended(t))} of {plural(t.total, 'file')}</span>
          <span class="faint">{num(doneExamples(l.examples))} examples</span>
        </span>
        <span class="time">{live(l) ? eta(l.eta_ms) : <>{l.started_at && l.ended_at ? `${dur(Date.parse(l.ended_at) - Date.parse(l.started_at))}, ` : ''}<Ago at={l.ended_at ?? l.created_at} /></>}</span>
        <TestBar t={t} />
      </a>
  );
});

const FirstSteps = lazy(() => rest().then((m) => m.FirstSteps));

const KEYS = ['state', 'fleet'];
export function Board() {
  useTitle('Board');
  const store = useMemo(() => new BoardStore(), []);
  const queue = useMemo(() => new QueueStore(), []);
  useEffect(() => store.start(), [store]);
  useEffect(() => queue.start(), [queue]);
  useEffect(fetchSoon, []);
  void queue.rev.value;
  void store.rev.value;
  const phase = store.phase.value, spokenFailed = useRef(-1), [order, setOrder] = useState<ReadonlyMap<number, number> | null>(null);

  const launches = [...store.launches.rows.values()].sort((a, b) => b.id - a.id);
  const running = launches.filter(live), old = launches.filter((l) => !live(l)).slice(0, 20);
  const total = sum(running), failed = bad(total.tests);
  useEffect(() => {
    if (phase !== 'ready') return;
    if (spokenFailed.current >= 0 && failed > spokenFailed.current) say(`${ended(total.tests)} files done, ${failed} failed, ${eta(total.eta)}`);
    spokenFailed.current = failed;
  }, [failed, phase]);
  if (phase === 'error') return <Failed error={store.error.value!} what="The board" retry={store.retry} />;
  if (phase === 'loading') return <><h1 class="sr">Board</h1><Skeleton rows={8} /></>;

  // Failing first is the order of the moment it was asked for: events move no tile.
  const at = (s: Server): number => order?.get(s.id) ?? 1e9, servers = [...store.servers.rows.values()].sort((a, b) => at(a) - at(b) || byName(a, b));
  const failing = (s: Server): number => (s.sick || s.link === 'lost' ? 0 : s.running.some((r) => r.examples?.failed || r.examples?.errors) ? 1 : 2);
  if (!launches.length) return <FirstSteps servers={servers.length} />;
  const { f } = useFilter(KEYS);
  const shown = servers.filter((s) => matches(f, `${s.name} ${s.running.map((r) => r.path).join(' ')}`, (k) => (k === 'state' ? serverFace(s).word : s.fleet)));
  const pane = url.value.searchParams.get('pane') === 'queue' ? 'queue' : 'servers';
  const show = (p: string): void => replace((u) => (p === 'queue' ? u.searchParams.set('pane', p) : u.searchParams.delete('pane')));
  const online = servers.filter((s) => s.link === 'online'), slots = online.reduce((n, s) => n + s.slots, 0), busy = servers.reduce((n, s) => n + s.running.length, 0);
  return (
    <div class="board">
      <h1 class="sr">Board</h1>
      <section class="kpis" aria-label="Totals">
        <dl>
          <Kpi n={busy} of={slots} label={plural(slots, 'slot').replace(/^\S+ /, '') + ' busy'} />
          <Kpi n={total.tests.waiting} label="waiting" />
          <Kpi n={failed} label="failed" tone={failed ? 'fail' : ''} />
          <Kpi n={ended(total.tests)} of={total.tests.total} label="files done" />
          <Kpi n={doneExamples(total.examples)} label="examples" />
        </dl>
        <p class="left">{running.length ? <><b>{plural(running.length, 'launch', 'launches')} running</b>, {eta(total.eta)}</> : <b>Nothing is running</b>}</p>
        {running.length > 0 && <TestBar t={total.tests} big />}
      </section>
      <div class="seg panes" role="group" aria-label="Beside what runs">
        <button type="button" class="btn" aria-pressed={pane === 'servers'} onClick={() => show('servers')}>Servers <span class="num">{num(servers.length)}</span></button>
        <button type="button" class="btn" aria-pressed={pane === 'queue'} onClick={() => show('queue')}>Your queue <span class="num">{num(queue.waiting)}</span></button>
      </div>
      <div class="two" data-pane={pane}>
        <section class="pane going" aria-labelledby="launches-h">
          <header><h2 id="launches-h">Running <span class="n">{num(running.length)}</span></h2></header>
          {running.length
            ? <ul class="launches">{running.map((l) => <li key={l.id}><LaunchRow l={l} /></li>)}</ul>
            : <Empty title="Nothing is running"><a href="/compose">Compose</a> a launch: tick files and press Run. Or start it from a shell: <code>wrata run spec/</code>.</Empty>}
          {old.length > 0 && <><header><h2>Newest <span class="n">{num(old.length)}</span></h2></header><ul class="launches">{old.map((l) => <li key={l.id}><LaunchRow l={l} /></li>)}</ul></>}
        </section>
        <section class="pane fleet" aria-labelledby="servers-h">
          <header>
            <h2 id="servers-h">Servers <span class="n">{num(online.length)} of {num(servers.length)} online</span></h2><span class="grow" />
            {servers.length > 1 && <button type="button" class="btn small" aria-pressed={!!order} onClick={() => setOrder(order ? null : new Map([...servers].sort((a, b) => failing(a) - failing(b)).map((s, i) => [s.id, i])))}>Failing first</button>}
            {servers.length > 0 && <FilterBox what="servers" hint="Filter, state:idle" known={KEYS} to=".tiles a" />}
          </header>
          {!servers.length ? <Empty title="No servers yet">Add one with <code>wrata servers add</code>; this computer is the fleet <code>local</code>.</Empty>
            : !shown.length ? <Empty title="No server fits the filter" />
              : <ul class="tiles">{shown.map((s) => <Tile key={s.id} s={s} />)}</ul>}
        </section>
        <QueuePane store={queue} />
      </div>
    </div>
  );
}
