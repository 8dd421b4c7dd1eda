/** The right side of compose: with what the ticked files run, how many tests that makes, and Run. */
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { ASK_ABOVE, body, control, CUSTOM, envLines, known, sentence, tests, wrong, type Params } from '../../core/compose';
import { num, plural, visible } from '../../core/fmt';
import { inOrder } from '../../core/tree';
import type { Choice, EnvLine, Launch, List, Locations, Project, Status } from '../../core/types';
import { asError, post, type ApiError } from '../api';
import { remembered, type Basket } from '../basket';
import { replace, say, url, useKey } from '../nav';
import { Dialog, Trouble, secondsTo } from '../parts/basics';
import { Check, Field, Form, useForm } from '../parts/form';
import { Picks } from '../parts/picks';
import { useLoad } from '../parts/useload';
import { me } from '../who';

export interface Choices { locations: Locations; browsers: Choice[]; languages: Choice[] }
/** The three tables that a launch chooses from; `retry` reads again those that failed. */
export function useChoices(): { data: Choices | null; error: ApiError | null; retry: () => void } {
  const a = useLoad<Locations>('/locations'), b = useLoad<{ items: Choice[] }>('/browsers'), c = useLoad<{ items: Choice[] }>('/languages');
  const error = (!a.data && a.error) || (!b.data && b.error) || (!c.data && c.error) || null;
  return { data: a.data && b.data && c.data ? { locations: a.data, browsers: b.data.items, languages: c.data.items } : null, error, retry: () => { for (const l of [a, b, c]) if (!l.data) void l.load(); } };
}
export const presetOf = (all: readonly Choice[]): string => all.find((c) => c.preset)?.name ?? '';

/** What the address, else what was chosen last, says; each only when it can be chosen. */
function chosen(c: Choices): Omit<Params, 'env' | 'name' | 'soonest'> {
  const at = url.value.searchParams, last = remembered();
  const loc = at.get('loc') ?? last.loc ?? '', named = c.locations.items.some((l) => l.name === loc);
  const list = (key: string, had: string[] | undefined, all: Choice[]): string[] => known(at.has(key) ? at.getAll(key).filter(Boolean) : had ?? [], all);
  return {
    location: named ? loc : loc.includes('://') || at.get('loc') === 'custom' ? CUSTOM : presetOf(c.locations.items), url: loc.includes('://') ? loc : last.url ?? '',
    browsers: list('browser', last.browsers, c.browsers), languages: list('lang', last.languages, c.languages),
  };
}
const setAll = (key: string, vs: string[]): void => replace((u) => { u.searchParams.delete(key); for (const v of vs.length ? vs : ['']) u.searchParams.append(key, v); });

export function Parameters({ project, gitRef, b }: { project: Project; gitRef: string; b: Basket }) {
  const choices = useChoices(), env = useLoad<EnvLine[]>(me.value?.accounts ? '/env' : null), status = useLoad<Status>('/status');
  // Somebody is waiting for the first server to come online: few seconds, and the note goes by itself.
  useEffect(() => { if (status.data?.servers.online !== 0) return; const t = setTimeout(() => void status.load(), 3000); return () => clearTimeout(t); }, [status.data]);
  void b.rev.value;
  return (
    <section class="pane params" aria-labelledby="params-h">
      <header><h2 id="params-h">Parameters</h2>{b.list && <span class="faint">from the list <a href={`/lists/${b.list.id}`}>{visible(b.list.name)}</a></span>}</header>
      {choices.data ? <Controls c={choices.data} env={env.data} status={status.data} project={project} gitRef={gitRef} b={b} />
        : choices.error ? <Trouble error={choices.error} retry={choices.retry} before="Locations, browsers and languages could not be loaded" />
          : <div class="skeleton"><i /><i /></div>}
    </section>
  );
}

function Controls({ c, env, status, project, gitRef, b }: { c: Choices; env: EnvLine[] | null; status: Status | null; project: Project; gitRef: string; b: Basket }) {
  const got = chosen(c), p: Params = { ...got, env: b.env, name: b.name, soonest: b.soonest };
  const [busy, setBusy] = useState<'' | 'end' | 'front'>(''), [error, setError] = useState<ApiError | null>(null), [started, setStarted] = useState<{ l: Launch; front: boolean } | null>(null), [ask, setAsk] = useState<'' | 'end' | 'front'>(''), [saving, setSaving] = useState(false);
  const id = useId(), box = useRef<HTMLDivElement>(null), run = useRef<HTMLButtonElement>(null), watch = useRef<HTMLAnchorElement>(null);
  const files = b.tree && b.treeRef === gitRef ? inOrder(b.tree.files, b.ticked).files : [];
  const n = tests(files.length, p), problems = b.wrong, wait = error ? secondsTo(error.until) : 0;
  const fix = (...keys: string[]): void => { for (const k of keys) delete b.wrong[k]; b.rev.value++; };
  const set = (key: 'browser' | 'lang', v: string[]): void => { fix(key === 'lang' ? 'languages' : 'browsers'); remembered(key === 'lang' ? { languages: v } : { browsers: v }); setAll(key, v); };
  const setLoc = (v: string, typed = p.url): void => {
    fix('location', 'url');
    remembered(v === CUSTOM ? { loc: typed || 'custom', url: typed } : { loc: v });
    replace((u) => u.searchParams.set('loc', v === CUSTOM ? (typed.includes('://') ? typed : 'custom') : v));
  };
  const [typed, setTyped] = useState(p.url);
  const shownUrl = p.location === CUSTOM ? typed : p.url, now: Params = { ...p, url: shownUrl };
  useEffect(() => { if (started) watch.current?.focus(); }, [started]);
  const show = (bad: Record<string, string>): void => {
    b.wrong = bad; b.rev.value++;
    requestAnimationFrame(() => document.querySelector<HTMLElement>('.params [data-wrong] :is(input, select, textarea), .source [data-wrong] :is(select, input)')?.focus());
  };
  const send = async (front: boolean): Promise<void> => {
    setAsk(''); setError(null); setBusy(front ? 'front' : 'end');
    try {
      const l = await post<Launch>('/launches', body(project.id, gitRef, files, now, front));
      setStarted({ l, front }); b.wrong = {};
      say(`Launch ${l.id} started, ${plural(l.tests.total, 'test')}`);
    } catch (e) {
      const x = asError(e), at = control(x.field, now);
      if (at) show({ [at]: x.message.replace(`${x.field}: `, '') }); else setError(x);
    }
    setBusy('');
  };
  const press = (front: boolean): void => {
    if (busy || wait) return;
    setStarted(null); setError(null);
    const bad = wrong(files.length, now);
    show(bad);
    if (Object.keys(bad).length) return;
    if (n > ASK_ABOVE) setAsk(front ? 'front' : 'end'); else void send(front);
  };
  useKey('a', 'Go to the button that runs what is ticked', () => run.current?.focus());
  useKey('s', 'Save what is ticked as a list', () => { if (files.length) setSaving(true); });
  const readOnly = me.value?.scope === 'read' ? 'You may look here, and not start anything.' : '';
  const mine = new Set(envLines(b.env).map((l) => l.split('=')[0]));
  return (
    <>
      <div class="controls" ref={box}>
        <div class="field" data-wrong={problems.location || problems.url ? '' : undefined}>
          <label for={`${id}l`}>Server under test</label>
          <select id={`${id}l`} value={p.location === CUSTOM && c.locations.own.some((o) => o.url === shownUrl) ? `\u0001${shownUrl}` : p.location} aria-invalid={problems.location ? 'true' : undefined}
            onChange={(e) => { const v = e.currentTarget.value; if (v.startsWith('\u0001')) { setTyped(v.slice(1)); setLoc(CUSTOM, v.slice(1)); } else setLoc(v, shownUrl); }}>
            {c.locations.items.map((l) => <option key={l.id} value={l.name} selected={l.name === p.location}>{visible(l.name)}{l.preset ? ' (preset)' : ''}</option>)}
            {c.locations.own.length > 0 && <optgroup label="Used before">{c.locations.own.map((o) => <option key={o.url} value={`\u0001${o.url}`} selected={p.location === CUSTOM && o.url === shownUrl}>{visible(o.url)}</option>)}</optgroup>}
            <option value={CUSTOM} selected={p.location === CUSTOM && !c.locations.own.some((o) => o.url === shownUrl)}>Another address…</option>
          </select>
          {problems.location && <p class="wrong" role="alert">{visible(problems.location)}</p>}
          {p.location === CUSTOM && (
            <input class="code" type="text" inputMode="url" autoCapitalize="none" autoComplete="off" aria-label="Address of the server under test" placeholder="https://…" value={shownUrl} maxLength={2048} spellcheck={false} aria-invalid={problems.url ? 'true' : undefined} aria-describedby={problems.url ? `${id}u` : undefined}
              onInput={(e) => { setTyped(e.currentTarget.value); fix('url'); }} onChange={(e) => setLoc(CUSTOM, e.currentTarget.value.trim())} />
          )}
          {problems.url && <p class="wrong" id={`${id}u`} role="alert">{visible(problems.url)}</p>}
        </div>
        <Picks name="languages" label="Languages" one="language" all={c.languages.map((l) => l.name)} picked={p.languages} set={(v) => set('lang', v)} preset={presetOf(c.languages)} error={problems.languages} />
        <Picks name="browsers" label="Browsers" one="browser" all={c.browsers.map((l) => l.name)} picked={p.browsers} set={(v) => set('browser', v)} preset={presetOf(c.browsers)} error={problems.browsers} />
        <div class="field" data-wrong={problems.env ? '' : undefined}>
          <label for={`${id}e`}>Variables of this launch</label>
          <textarea id={`${id}e`} class="code" rows={Math.min(8, Math.max(2, b.env.split('\n').length))} placeholder="NAME=value, one a line" value={b.env} maxLength={1 << 18} spellcheck={false} aria-invalid={problems.env ? 'true' : undefined} aria-describedby={`${id}eh${problems.env ? ` ${id}ee` : ''}`}
            onInput={(e) => { b.env = e.currentTarget.value; fix('env'); }} />
          <p class="hint" id={`${id}eh`}>{env?.length ? <>From <a href="/account/variables">your account</a>: {env.slice(0, 8).map((l, i) => <span key={l.name}>{i ? ', ' : ''}<code class={mine.has(l.name) ? 'struck' : ''}>{visible(l.name)}</code>{l.secret ? ' (secret)' : ''}{mine.has(l.name) ? ' (replaced here)' : ''}</span>)}{env.length > 8 ? ` and ${num(env.length - 8)} more` : ''}. </> : null}
            {me.value?.accounts ? <>Everybody can read what is typed here; secrets belong to <a href="/account/variables">your variables</a>.</> : 'Everybody can read what is typed here.'}</p>
          {problems.env && <p class="wrong" id={`${id}ee`} role="alert">{visible(problems.env)}</p>}
        </div>
        <details class="more" open={!!b.name || b.soonest || !!problems.name}>
          <summary>Name and order</summary>
          <div class="field" data-wrong={problems.name ? '' : undefined}>
            <label for={`${id}n`}>Name of the launch</label>
            <input id={`${id}n`} value={b.name} maxLength={255} placeholder="none" spellcheck={false} onInput={(e) => { b.name = e.currentTarget.value; fix('name'); }} />
            {problems.name && <p class="wrong" role="alert">{visible(problems.name)}</p>}
          </div>
          <label class="check"><input type="checkbox" checked={b.soonest} onChange={(e) => { b.soonest = e.currentTarget.checked; b.rev.value++; }} />Finish soonest: the longest files first</label>
        </details>
      </div>
      <div class="runbar">
        {status?.servers.online === 0 && <p class="note">No server is online{status.servers.total ? '' : ' yet'}: tests will wait in the queue. <a href="/servers">Servers</a></p>}
        {readOnly && <p class="note">{readOnly}</p>}
        {problems.files && <p class="wrong" role="alert">{visible(problems.files)}</p>}
        {error && <div class="note bad" role="alert">{error.field === 'wrata.yml' ? 'wrata.yml of the project has a fault, so nothing was started. ' : 'Nothing was started. '}{visible(error.message)}{error.request && error.status >= 500 && <span class="faint"> Request {error.request}</span>}</div>}
        {started && (
          <p class="started" role="status">
            <b>Launch #{started.l.id} started:</b> {plural(started.l.tests.total, 'test')} at the {started.front ? 'front' : 'end'} of your queue. <a ref={watch} href={`/launches/${started.l.id}`}>Watch it</a>
          </p>
        )}
        <p class="sum"><b class="num">{files.length ? sentence(files.length, p) : 'Nothing is ticked'}</b>
          {b.ticked.size > 0 && <button type="button" class="btn ghost small" onClick={() => { b.ticked.clear(); b.missing = []; b.list = null; setStarted(null); fix('files'); run.current?.focus(); }}>Untick all</button>}</p>
        <p class="acts">
          <button ref={run} type="button" class="btn primary go" disabled={!!readOnly || wait > 0 || !b.tree} aria-disabled={!!busy} title="With Shift: at the front of the queue" onClick={(e) => press(e.shiftKey)}>{wait > 0 ? `Wait ${wait} s` : busy === 'end' ? 'Starting…' : files.length ? `Run ${plural(n, 'test')}` : 'Run'}</button>
          <button type="button" class="btn" disabled={!!readOnly || wait > 0 || !files.length} aria-disabled={!!busy} onClick={() => press(true)}>{busy === 'front' ? 'Starting…' : 'Run at front'}</button>
          <button type="button" class="btn" disabled={!files.length || !!readOnly} onClick={() => setSaving(true)}>Save as list…</button>
        </p>
      </div>
      <Dialog title={`Start ${num(n)} tests?`} open={!!ask} close={() => setAsk('')}>
        <p>{sentence(files.length, p)}. They go to the {ask} of your queue.</p>
        <p class="acts"><button type="button" class="btn" autoFocus onClick={() => setAsk('')}>Cancel</button><button type="button" class="btn primary" onClick={() => void send(ask === 'front')}>Run {num(n)} tests</button></p>
      </Dialog>
      <Dialog title="Save as list" open={saving} close={() => setSaving(false)}>
        <Save base={() => { const { at: _, name: __, ...rest } = body(project.id, gitRef, files, now, false); return rest; }} files={files.length} b={b} close={() => setSaving(false)} />
      </Dialog>
    </>
  );
}

function Save({ base, files, b, close }: { base: () => Record<string, unknown>; files: number; b: Basket; close: () => void }) {
  const [taken, setTaken] = useState(''), [saved, setSaved] = useState<List | null>(null);
  const f = useForm(async (v) => {
    try {
      const l = await post<List>('/lists', { ...base(), name: v.name, shared: v.shared === 'yes', ...(v.name === taken ? { replace: true } : {}) });
      b.list = { id: l.id, name: l.name, mine: true };
      b.rev.value++;
      setSaved(l);
    } catch (e) {
      if (asError(e).status === 409) setTaken(v.name);
      throw e;
    }
  });
  if (saved) return <><p role="status"><b>{visible(saved.name)}</b> is saved, with {plural(saved.n_files, 'file')} and these parameters. <a href={`/lists/${saved.id}`}>Open it</a></p><p class="acts"><button type="button" class="btn primary" autoFocus onClick={close}>Close</button></p></>;
  return (
    <Form f={f} label="Save as list" submit={taken ? 'Replace it' : 'Save'} danger={!!taken} extra={<button type="button" class="btn" onClick={close}>Cancel</button>}
      onInput={(e) => { if (taken && (e.target as HTMLInputElement).name === 'name') setTaken(''); }}>
      <p class="faint">{plural(files, 'file')}, with the branch and the parameters as they are now.</p>
      <Field f={f} name="name" label="Name" value={b.list?.mine ? b.list.name : ''} required focus max={80} />
      <Check name="shared" label="Everybody may read and run it" />
      {taken && <p class="note">There is a list “{visible(taken)}” already. Replace it keeps its schedules; its files and parameters become these.</p>}
    </Form>
  );
}
