/** One file over time: how long it takes, how often it passes, whether it can decide. */
import { dur, exact, num, plural, visible } from '../../core/fmt';
import { flakyCommits, FLAKY_DAYS, median, passRate } from '../../core/insight';
import { RANGES } from '../../core/history';
import { runFace } from '../../core/state';
import { search } from '../../core/tree';
import type { Page, Project, Run, Slow, Tree } from '../../core/types';
import { go, setQuery, url, useTitle } from '../nav';
import { Ago, Copy, Empty, Failed, Glyph, Kpi, Skeleton, Trouble } from '../parts/basics';
import { Retest } from '../parts/retest';
import { useLoad } from '../parts/useload';
import { useMemo } from 'preact/hooks';

/** Which file? One that is searched for in a project's tree; before that the slowest ones. */
function Find() {
  const projects = useLoad<{ items: Project[] }>('/projects'), at = url.value.searchParams, all = projects.data?.items ?? [], p = all.find((x) => String(x.id) === at.get('project')) ?? all[0], q = at.get('q') ?? '';
  const found = useLoad<Tree>(p && q.trim() ? `/projects/${p.id}/tree?${new URLSearchParams({ tests: '1', ...search(q) } as Record<string, string>)}` : null), slow = useLoad<{ items: Slow[] }>(p ? `/projects/${p.id}/slowest?limit=30` : null);
  const l = q.trim() ? found : slow, rows: [string, string][] = q.trim() ? (found.data?.files ?? []).map((f) => [f, '']) : (slow.data?.items ?? []).map((s) => [s.path, dur(s.duration_ms)]);
  useTitle('Files');
  if (projects.error && !projects.data) return <Failed error={projects.error} what="The projects" retry={projects.load} />;
  if (!projects.data) return <Skeleton rows={6} />;
  if (!p) return <Empty title="No projects yet">Files are those of a project. <a href="/compose">Compose</a></Empty>;
  return (
    <div class="screen narrow cards">
      <header class="titlebar"><h1>Files</h1></header>
      <div class="bar-of">
        <select aria-label="Project" value={String(p.id)} onChange={(e) => setQuery('project', e.currentTarget.value)}>{all.map((x) => <option key={x.id} value={x.id} selected={x === p}>{visible(x.name)}</option>)}</select>
        <input class="flt wide" type="search" aria-label="Search files" placeholder="Search: pivot chrome, or **/*_spec.rb" value={q} maxLength={512} spellcheck={false} onInput={(e) => setQuery('q', e.currentTarget.value)} />
      </div>
      {l.error ? <Trouble error={l.error} retry={l.load} /> : !l.data ? <Skeleton rows={6} /> : !rows.length ? <Empty title={q ? 'No file has all of that' : 'No runs yet'}>{q ? 'Fewer words find more.' : 'Search a file above, or run some first.'}</Empty>
        : <section class="card" aria-labelledby="found-h"><h2 id="found-h">{q.trim() ? plural(rows.length, 'file') : 'The slowest'}</h2>
          <ul class="rows">{rows.slice(0, 100).map(([f, ms]) => <li key={f}><a class="what path" href={`/files?${new URLSearchParams({ project: String(p.id), path: f })}`}>{visible(f)}</a><span class="num faint">{ms}</span></li>)}</ul>
          {rows.length > 100 && <p class="faint">The first 100 are shown; more words find fewer.</p>}</section>}
    </div>
  );
}

export function Files() { return url.value.searchParams.get('path') ? <OverTime /> : <Find />; }
function OverTime() {
  const at = url.value.searchParams, path = at.get('path') ?? '', project = at.get('project') ?? '', range = at.get('range') ?? '30d', since = useMemo(() => { const ms = RANGES.find((r) => r[0] === range)?.[2]; return ms ? new Date(Date.now() - ms).toISOString() : ''; }, [range]);
  const l = useLoad<Page<Run>>(`/runs?${new URLSearchParams({ file: path, ...(project ? { project } : {}), ...(since ? { since } : {}), limit: '500' })}`);
  useTitle(path.slice(path.lastIndexOf('/') + 1));
  if (l.error && !l.data) return <Failed error={l.error} what="The file" retry={l.load} />;
  const runs = l.data ? [...l.data.items].reverse() : [], done = runs.filter((r) => r.outcome && r.duration_ms !== null), mid = median(done.filter((r) => r.outcome === 'passed').map((r) => r.duration_ms!)), rate = passRate(runs), flaky = flakyCommits(runs), failed = done.filter((r) => r.outcome !== 'passed').reverse();
  return (
    <div class="screen narrow cards">
      <header class="headline">
        <div class="titles"><p class="crumb"><a href={`/runs?q=file:${encodeURIComponent(path)}`}>Its history</a></p><h1 class="path">{visible(path)} <Copy text={() => path} what="path" /></h1>
          {flaky.length > 0 && <p class="t-pend">Flaky: it failed and passed on {flaky.slice(0, 3).map((c, i) => <>{i ? ', ' : ''}<code key={c}>{c.slice(0, 10)}</code></>)} within {FLAKY_DAYS} days.</p>}</div>
        <p class="acts"><select aria-label="When" value={range} onChange={(e) => setQuery('range', e.currentTarget.value)}>{RANGES.slice(2).map(([id, text]) => <option key={id} value={id} selected={id === range}>{text}</option>)}</select>{runs.length > 0 && <Retest runs={[runs.at(-1)!.id]} />}</p>
        {l.data && done.length > 0 && <dl class="kpirow"><Kpi n={done.length} label="runs" /><Kpi n={rate.of ? `${Math.round((rate.passed / rate.of) * 100)} %` : '–'} label={`passed, ${num(rate.passed)} of ${num(rate.of)}`} /><Kpi n={dur(mid)} label="median of the passed" /></dl>}
      </header>
      {!l.data ? <Skeleton rows={4} /> : !done.length ? <Empty title="It has not run in this time">Run it once, or look further back.</Empty> : <>
        <section class="card" aria-labelledby="trend-h"><h2 id="trend-h">Duration</h2><Trend runs={done} mid={mid} /></section>
        {failed.length > 0 && <section class="card" aria-labelledby="bad-h"><h2 id="bad-h">Not passed <span class="faint">{plural(failed.length, 'time')}</span></h2>
          <ul class="rows">{failed.slice(0, 50).map((r) => <li key={r.id}><Glyph face={runFace(r)} label /><span class="what"><a href={`/runs/${r.id}`}>{visible(r.reason || runFace(r).word)}</a> <span class="faint">{[r.ref, r.language, r.browser === 'default' ? '' : r.browser, r.server?.name].filter(Boolean).map((x) => visible(x!)).join(' · ')}</span></span><span class="faint num">{dur(r.duration_ms)}</span><Ago at={r.ended_at} /></li>)}</ul></section>}
      </>}
    </div>
  );
}
const H = 180, PAD = 8;
/** Each run a mark, in the order they ran; what did not pass has another shape and not only another colour. */
function Trend({ runs, mid }: { runs: readonly Run[]; mid: number | null }) {
  const W = Math.min(900, innerWidth - 60), most = Math.max(1, ...runs.map((r) => r.duration_ms!)), x = (i: number): number => PAD + (i * (W - 2 * PAD)) / Math.max(1, runs.length - 1), y = (ms: number): number => H - PAD - (ms / most) * (H - 3 * PAD);
  return (
    <>
      <svg class="trend" viewBox={`0 0 ${W} ${H}`} role="img" aria-label={`Durations of ${plural(runs.length, 'run')}, at most ${dur(most)}`}>
        <path class="axis" d={`M${PAD} ${H - PAD}H${W - PAD}`} />{mid !== null && <path class="mid" d={`M${PAD} ${y(mid)}H${W - PAD}`} />}
        <text x={PAD} y="12">{dur(most)}</text>
        {runs.map((r, i) => { const face = runFace(r), px = x(i), py = y(r.duration_ms!); return <path key={r.id} class={`t-${face.tone}`} onClick={() => go(`/runs/${r.id}`)} d={r.outcome === 'passed' ? `M${px - 3} ${py}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0` : `M${px} ${py - 5}l5 5l-5 5l-5 -5z`}><title>{`${face.word}, ${dur(r.duration_ms)}, ${exact(r.ended_at)}`}</title></path>; })}
      </svg>
      <details><summary>As a table</summary><table class="plaintable"><thead><tr><th>Run</th><th>Outcome</th><th>Duration</th><th>Ended</th></tr></thead><tbody>{[...runs].reverse().map((r) => <tr key={r.id}><td><a href={`/runs/${r.id}`}>#{r.id}</a></td><td>{runFace(r).word}</td><td class="num">{dur(r.duration_ms)}</td><td>{exact(r.ended_at)}</td></tr>)}</tbody></table></details>
    </>
  );
}
