/** Tick files, pick parameters, press Run: one press is one launch. */
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { dur, num, plural, visible } from '../../core/fmt';
import { inOrder, search } from '../../core/tree';
import type { Launch, List, Project, Refs, Run, Slow, Stability, Tree } from '../../core/types';
import { asError, get, post, type ApiError } from '../api';
import { replace, say, setQuery, url, useKey, useTitle } from '../nav';
import { Ago, Empty, Failed, Skeleton, Trouble } from '../parts/basics';
import { FileTree } from '../parts/filetree';
import { AddProject } from '../parts/firststeps';
import { useLoad, usePages } from '../parts/useload';
import { me } from '../who';
import { isAdmin } from '../../core/account';
import { basket, remembered, type Basket } from '../basket';
import { Parameters } from './parameters';

export default function Compose() {
  useTitle('Compose');
  const l = useLoad<{ items: Project[] }>('/projects'), at = url.value.searchParams, listId = Number(at.get('list')) || 0;
  const list = useListToLoad(listId);
  if (l.error && !l.data) return <Failed error={l.error} what="The projects" retry={() => void l.load()} />;
  if (list.error) return <Failed error={list.error} what="The list" retry={list.retry} />;
  if (!l.data || list.loading) return <><h1 class="sr">Compose</h1><Skeleton rows={8} /></>;
  const all = l.data.items;
  if (!all.length) {
    return (
      <div class="screen narrow">
        <h1>Compose</h1>
        <Empty title="No projects yet">A project is a git repository with test files. {isAdmin(me.value) ? 'Add the first one:' : 'An admin can add one.'}</Empty>
        {isAdmin(me.value) && <AddProject added={() => void l.load()} />}
      </div>
    );
  }
  const wanted = at.get('project') ?? remembered().project ?? '';
  const project = all.find((p) => p.name === wanted || String(p.id) === wanted) ?? all[0];
  return <Composer key={project.id} project={project} all={all} gone={at.get('project') && project.name !== wanted && String(project.id) !== wanted ? wanted : ''} reload={l.load} />;
}

/** `?list=12`: its files and parameters become what is ticked, once; then the address forgets it. */
function useListToLoad(id: number): { loading: boolean; error: ApiError | null; retry: () => void } {
  const [error, setError] = useState<ApiError | null>(null), [n, again] = useState(0);
  useEffect(() => {
    if (!id) return;
    const ac = new AbortController();
    setError(null);
    get<List>(`/lists/${id}`, ac.signal).then((x) => {
      const b = basket(x.project.id);
      b.ticked = new Set();
      b.patterns = [...x.files ?? []];
      b.env = x.env.join('\n'); b.name = ''; b.soonest = x.order === 'finish-soonest'; b.list = { id: x.id, name: x.name, mine: !me.peek()?.accounts || x.user.id === me.peek()?.user?.id };
      b.rev.value++;
      replace((u) => {
        u.search = '';
        u.searchParams.set('project', x.project.name);
        if (x.ref) u.searchParams.set('ref', x.ref);
        if (x.location) u.searchParams.set('loc', x.location);
        for (const l of x.languages) u.searchParams.append('lang', l);
        for (const l of x.browsers) u.searchParams.append('browser', l);
      });
    }, (e) => { if (!ac.signal.aborted) setError(asError(e)); });
    return () => ac.abort();
  }, [id, n]);
  return { loading: id > 0, error: id ? error : null, retry: () => again(n + 1) };
}

function Composer({ project, all, gone, reload }: { project: Project; all: Project[]; gone: string; reload: () => Promise<void> }) {
  const at = url.value.searchParams, b = basket(project.id);
  const [fresh, setFresh] = useState(0), [busy, setBusy] = useState(false), [pulled, setPulled] = useState<ApiError | null>(null);
  const refs = useLoad<Refs>(`/projects/${project.id}/refs`);
  const ref = at.get('ref') ?? remembered().refs?.[project.id] ?? '';
  const refresh = async (): Promise<void> => {
    setBusy(true); setPulled(null);
    try { await post(`/projects/${project.id}/refresh`); } catch (e) { setPulled(asError(e)); }
    await Promise.all([refs.load(), reload()]);
    setFresh((n) => n + 1); setBusy(false);
  };
  const first = useRef(false);
  useEffect(() => { if (project.refreshed_at === null && !first.current) { first.current = true; void refresh(); } }, []);
  const trouble = pulled?.message ?? refs.data?.error ?? project.error;
  return (
    <div class="compose">
      <h1 class="sr">Compose</h1>
      <section class="pane files" aria-label="Files">
        <header class="source">
          <span class="pick"><label for="project">Project</label>
            <select id="project" value={String(project.id)} onChange={(e) => { const p = all.find((x) => String(x.id) === e.currentTarget.value)!; remembered({ project: p.name }); replace((u) => { u.search = ''; u.searchParams.set('project', p.name); }); }}>
              {all.map((p) => <option key={p.id} value={String(p.id)} selected={p.id === project.id}>{visible(p.name)}</option>)}
            </select>
          </span>
          <RefPick refs={refs.data} chosen={ref} pick={(name) => { remembered({ refs: { ...remembered().refs, [project.id]: name } }); setQuery('ref', name); }} wrong={b.wrong.ref ?? ''} />
          <span class="age">
            <button type="button" class="btn" disabled={busy} onClick={() => void refresh()}>{busy ? 'Fetching…' : 'Refresh'}</button>
            <span class="faint">{refs.data?.refreshed_at ? <>as of <Ago at={refs.data.refreshed_at} /></> : busy ? 'the first fetch' : 'not fetched yet'}</span>
          </span>
        </header>
        {gone && <p class="note">There is no project “{visible(gone)}”: this is {visible(project.name)}.</p>}
        {trouble && !busy && refs.data && <p class="note bad" role="alert">The last fetch failed: {visible(trouble)}{refs.data?.refreshed_at && <> What you see is <Ago at={refs.data.refreshed_at} />.</>}</p>}
        {refs.error && !refs.data && !busy && project.refreshed_at !== null && <Trouble error={refs.error} retry={refs.load} before="Branches could not be loaded" />}
        {busy && project.refreshed_at === null
          ? <div class="empty"><h2>{visible(project.name)} is being fetched</h2><p>The first time takes as long as a clone of the repository.</p></div>
          : <Files key={`${ref}#${fresh}`} project={project} gitRef={ref} b={b} />}
      </section>
      <Parameters project={project} gitRef={ref} b={b} />
    </div>
  );
}

const OTHER = '\u0000other';
function RefPick({ refs, chosen, pick, wrong }: { refs: Refs | null; chosen: string; pick: (name: string) => void; wrong: string }) {
  const head = refs?.head ?? '', now = chosen || head, [typing, setTyping] = useState(false), [text, setText] = useState('');
  const there = !!refs && [...refs.branches, ...refs.tags].some((r) => r.name === now);
  const done = (): void => { setTyping(false); if (text.trim()) pick(text.trim()); };
  return (
    <span class="pick" data-wrong={wrong ? '' : undefined}><label for="ref">Branch</label>
      {typing
        ? <input id="ref" class="flt" autoFocus placeholder="branch, tag or commit" value={text} maxLength={512} spellcheck={false} onInput={(e) => setText(e.currentTarget.value)} onBlur={done}
            ref={(el) => el?.focus()} onKeyDown={(e) => { if (e.key === 'Enter') done(); if (e.key === 'Escape') setTyping(false); }} />
        : <select id="ref" value={now} disabled={!refs} aria-invalid={wrong ? 'true' : undefined} onChange={(e) => { const v = e.currentTarget.value; if (v === OTHER) { e.currentTarget.value = now; setText(''); setTyping(true); } else pick(v); }}>
            {!refs && <option value={now}>{visible(now) || '…'}</option>}
            {refs && now && !there && <option value={now} selected>{visible(now)}</option>}
            {refs && refs.branches.length > 0 && <optgroup label="Branches">{refs.branches.map((r) => <option key={`b${r.name}`} value={r.name} selected={r.name === now}>{visible(r.name)}{r.name === head ? ' (default)' : ''}</option>)}</optgroup>}
            {refs && refs.tags.length > 0 && <optgroup label="Tags">{refs.tags.map((r) => <option key={`t${r.name}`} value={r.name} selected={r.name === now}>{visible(r.name)}</option>)}</optgroup>}
            <option value={OTHER}>Another branch or commit…</option>
          </select>}
      {wrong && <span class="wrong" role="alert">{visible(wrong)}</span>}
    </span>
  );
}

/** The answer of a search on the server; null while nothing is searched for. */
function useSearch(project: number, commit: string, tests: boolean, text: string): { files: string[] | null; error: ApiError | null; busy: boolean } {
  const [s, set] = useState<{ text: string; files: string[] | null; error: ApiError | null }>({ text: '', files: null, error: null });
  useEffect(() => {
    const words = search(text);
    if (!commit || !Object.keys(words).length) { set({ text, files: null, error: null }); return; }
    const ac = new AbortController(), t = setTimeout(() => {
      get<Tree>(`/projects/${project}/tree?${new URLSearchParams({ ref: commit, ...(tests ? { tests: '1' } : {}), ...words } as Record<string, string>)}`, ac.signal)
        .then((d) => set({ text, files: d.files, error: null }), (e) => { if (!ac.signal.aborted) set((had) => ({ text, files: had.files, error: asError(e) })); });
    }, 120);
    return () => { clearTimeout(t); ac.abort(); };
  }, [project, commit, tests, text]);
  return { files: s.files, error: s.error, busy: s.text !== text };
}

const QUICK: [id: string, text: string][] = [['flaky', 'Flaky'], ['slow', 'Slow'], ['failed', 'Failed last run']];
const SLOW = 50;
/**
 * Files by how they did: those with flaky examples, the slowest fifty by the median of their last runs, those that did not pass in the
 * newest launch of this branch that is over. What is known of durations comes at once, the others when they are asked for.
 */
function useQuick(project: number, ref: string, on: readonly string[]): { only: Set<string> | null; ms: Map<string, number>; flaky: Set<string>; error: ApiError | null; retry: () => void } {
  const base = `/projects/${project}`, slow = useLoad<{ items: Slow[] }>(`${base}/slowest?limit=200`), flaky = usePages<Stability>(on.includes('flaky') ? `${base}/stability` : null, 500);
  const last = useLoad<{ items: Launch[] }>(on.includes('failed') ? `/launches?${new URLSearchParams({ project: String(project), state: 'done', limit: '1', ...(ref ? { ref } : {}) })}` : null), id = last.data?.items[0]?.id;
  const failed = usePages<Run>(id ? `/runs?launch=${id}&outcome=failed,error,timed_out,no_tests,infrastructure` : null, 500);
  useEffect(() => { for (const l of [flaky, failed]) if (l.more && !l.busy && l.items!.length < 5000) void l.next(); });
  const paths = (l: { items: { path: string }[] | null }): string[] => (l.items ?? []).map((x) => x.path.replace(/(:\d+|\[.*)$/, ''));
  const sets: Record<string, Set<string>> = { flaky: new Set(paths(flaky)), slow: new Set((slow.data?.items ?? []).slice(0, SLOW).map((s) => s.path)), failed: new Set(paths(failed)) };
  return {
    only: on.length ? new Set(on.flatMap((k) => [...sets[k]])) : null, flaky: sets.flaky, ms: new Map(slow.data?.items.map((s) => [s.path, s.duration_ms])),
    error: on.length ? flaky.error ?? last.error ?? failed.error ?? (on.includes('slow') ? slow.error : null) : null, retry: () => { for (const l of [slow, flaky, last, failed]) void l.load(); },
  };
}

function Files({ project, gitRef, b }: { project: Project; gitRef: string; b: Basket }) {
  const at = url.value.searchParams, q = at.get('q') ?? '', wide = at.get('files') === 'all', only = at.get('show') === 'ticked', input = useRef<HTMLInputElement>(null), [, draw] = useState({});
  const query = new URLSearchParams();
  if (!wide) query.set('tests', '1');
  if (gitRef) query.set('ref', gitRef);
  const l = useLoad<Tree>(`/projects/${project.id}/tree?${query}`);
  const found = useSearch(project.id, l.data?.commit ?? '', !wide, q);
  useKey('/', 'Search files', () => input.current?.focus());
  void b.rev.value;
  useEffect(() => { if (l.data) { b.tree = l.data; b.treeRef = gitRef; void fromPatterns(b, project.id, l.data); b.rev.value++; } }, [l.data]);
  const on = (at.get('quick') ?? '').split(',').filter((k) => QUICK.some(([id]) => id === k)), quick = useQuick(project.id, gitRef, on), narrow = on.join() + (quick.only?.size ?? '');
  const changed = (): void => { delete b.wrong.files; b.rev.value++; draw({}); };
  const base = found.files ?? l.data?.files ?? [];
  const paths = useMemo(() => base.filter((p) => (!only || b.ticked.has(p)) && (!quick.only || quick.only.has(p))), [base, only, only && b.rev.value, narrow]);
  if (l.error && !l.data) {
    return l.error.status === 404 || l.error.field === 'ref'
      ? <div class="empty" role="alert"><h2>{gitRef ? <>Nothing at {visible(gitRef)}</> : 'Nothing to show yet'}</h2><p>{visible(l.error.message)}</p><p><button type="button" class="btn" onClick={() => { remembered({ refs: { ...remembered().refs, [project.id]: '' } }); setQuery('ref', ''); void l.load(); }}>Use the default branch</button></p></div>
      : <Failed error={l.error} what="The files" retry={() => void l.load()} />;
  }
  if (!l.data) return <Skeleton rows={8} />;
  const lost = b.patterns.length ? [] : inOrder(l.data.files, b.ticked).missing;
  return (
    <>
      <div class="bar-of">
        <input ref={input} class="flt wide" type="search" placeholder="Search: pivot chrome, or spec/**/*_spec.rb" aria-label="Search files" aria-invalid={found.error?.status === 422 ? 'true' : undefined} value={q} maxLength={512} spellcheck={false}
          onInput={(e) => setQuery('q', e.currentTarget.value)}
          onKeyDown={(e) => { if (e.key === 'Escape') { setQuery('q', ''); e.currentTarget.blur(); } if (e.key === 'Enter' || e.key === 'ArrowDown') { e.preventDefault(); document.querySelector<HTMLElement>('.filetree')?.focus(); } }} />
        <span class="seg" role="group" aria-label="Which files">
          <button type="button" class="btn" aria-pressed={!wide} onClick={() => setQuery('files', '')}>Tests</button>
          <button type="button" class="btn" aria-pressed={wide} onClick={() => setQuery('files', 'all')}>All files</button>
          <button type="button" class="btn" aria-pressed={only} onClick={() => setQuery('show', only ? '' : 'ticked')}>Ticked <span class="num">{num(b.ticked.size)}</span></button>
        </span>
        <span class="seg" role="group" aria-label="Files that were">{QUICK.map(([k, text]) => <button key={k} type="button" class="btn" aria-pressed={on.includes(k)} onClick={() => setQuery('quick', (on.includes(k) ? on.filter((x) => x !== k) : [...on, k]).join())}>{text}</button>)}</span>
        <span class="faint num" role="status">{found.busy ? 'searching…' : found.files || quick.only ? `${num(paths.length)} of ${plural(l.data.files.length, 'file')}` : plural(l.data.files.length, 'file')}</span>
      </div>
      {found.error && <p class="note bad" role="alert">{visible(found.error.message)}</p>}
      {quick.error && <Trouble error={quick.error} retry={quick.retry} before="How files did could not be read" />}
      {l.error && <Trouble error={l.error} retry={l.load} before="The files could not be read again" />}
      {b.missing.length > 0 && <p class="note">{plural(b.missing.length, 'entry', 'entries')} of the list {b.missing.length === 1 ? 'is' : 'are'} not there any more, and left out: {b.missing.slice(0, 5).map(visible).join(', ')}{b.missing.length > 5 ? ', …' : ''}</p>}
      {lost.length > 0 && <p class="note">{plural(lost.length, 'ticked file')} {lost.length === 1 ? 'is' : 'are'} not {wide ? 'at this branch' : 'among the tests of this branch'}, and will not run: {lost.slice(0, 3).map(visible).join(', ')}{lost.length > 3 ? ', …' : ''} <button type="button" class="btn small" onClick={() => { for (const p of lost) b.ticked.delete(p); changed(); }}>Untick {lost.length === 1 ? 'it' : 'them'}</button></p>}
      {!l.data.files.length ? <Empty title="No tests here">{wide ? 'The branch holds no files.' : <>wrata runs *_spec.rb, *.sh, test_*.py, *_test.py, and what wrata.yml names. <button type="button" class="asin" onClick={() => setQuery('files', 'all')}>Show all files</button></>}</Empty>
        : !paths.length ? <Empty title={only ? 'Nothing is ticked' : `0 of ${plural(l.data.files.length, 'file')}`}>{only ? 'Tick files or whole folders, then press Run.' : on.length ? <>None of them was {QUICK.filter(([k]) => on.includes(k)).map(([, text]) => text.toLowerCase()).join(' or ')}. <button type="button" class="asin" onClick={() => setQuery('quick', '')}>Show all</button></> : <>No path {q.match(/[*?[]/) ? 'fits' : 'has all of'} “{visible(q)}”. <button type="button" class="asin" onClick={() => setQuery('q', '')}>Clear the search</button></>}</Empty>
          : <FileTree paths={paths} ticked={b.ticked} changed={changed} all={!!found.files || only || on.length > 0} said={(f) => `${quick.flaky.has(f) ? 'flaky ' : ''}${quick.ms.has(f) ? dur(quick.ms.get(f)) : ''}`} path={at.get('path') ?? ''} id={String(project.id)} label={`Files of ${visible(project.name)}`} />}
    </>
  );
}

/** The entries of a list: paths as they are, folders and globs as what is there now. */
async function fromPatterns(b: Basket, project: number, tree: Tree): Promise<void> {
  if (!b.patterns.length) return;
  const wanted = b.patterns, there = new Set(tree.files), missing: string[] = [];
  b.patterns = [];
  for (const p of wanted) {
    const folder = p.replace(/^\.\//, '').replace(/\/*$/, '/');
    if (there.has(p)) { b.ticked.add(p); continue; }
    let hits = tree.files.filter((f) => f.startsWith(folder));
    if (!hits.length && /[*?[]/.test(p)) hits = await get<Tree>(`/projects/${project}/tree?${new URLSearchParams({ ref: tree.commit, glob: p })}`).then((d) => d.files, () => []);
    if (!hits.length) hits = await get<Tree>(`/projects/${project}/tree?${new URLSearchParams({ ref: tree.commit, q: p.split('/').at(-1)!.slice(0, 500) })}`).then((d) => d.files.filter((f) => f === p), () => []);
    if (hits.length) for (const h of hits) b.ticked.add(h); else missing.push(p);
  }
  b.missing = missing;
  say(`${plural(b.ticked.size, 'file')} ticked`);
  b.rev.value++;
}
