/** Schedules: what starts by itself, when next, and what came of it the last time. */
import { useEffect, useId, useMemo, useRef, useState } from 'preact/hooks';
import { dur, visible } from '../../core/fmt';
import { DAYS, isWhole, localText, ruleBody, ruleText, until, type Kind, type Rule } from '../../core/schedule';
import { SHAPES, type Face } from '../../core/state';
import type { Due, Launch, List, Page, Schedule, Start } from '../../core/types';
import { asError, del, get, post, type ApiError } from '../api';
import { deleteLater, gone } from '../later';
import { go, now, url, useTitle } from '../nav';
import { Ago, Badge, Empty, Failed, More, Skeleton, Trouble } from '../parts/basics';
import { Starts } from '../parts/retest';
import { useLoad, usePages } from '../parts/useload';
import { me } from '../who';

function startFace(s: Start): Face {
  const face = (shape: string, word: string, tone: Face['tone']): Face => ({ shape: SHAPES[shape], word, tone });
  return s.result === 'started' ? face('passed', 'started', 'pass') : s.result === 'skipped' ? face('stopped', 'skipped', 'off') : s.result === 'missed' ? face('timed_out', 'missed', 'pend') : face('failed', 'failed', 'fail');
}
const Next = ({ s }: { s: Schedule }) => (!s.enabled ? <span class="faint">off</span> : s.next_at ? <><b>{until(s.next_at, now.value)}</b> <span class="faint">{s.next_local ? localText(s.next_local) : ''}</span></> : <span class="faint">no further time</span>);

const isGone = (s: Schedule): boolean => !s.list?.name;

export function Schedules() {
  useTitle('Schedules');
  const l = usePages<Schedule>('/schedules'), away = gone.value, add = url.value.searchParams.get('add');
  if (add !== null) return (
    <div class="screen narrow cards">
      <header class="titles"><p class="crumb"><a href="/schedules">Schedules</a></p><h1>A new schedule</h1></header>
      <section class="card" aria-label="A new schedule"><Edit s={null} list={Number(add) || 0} saved={(s) => go(`/schedules/${s.id}`)} /></section>
    </div>
  );
  if (l.error && !l.items) return <Failed error={l.error} what="The schedules" retry={l.load} />;
  if (!l.items) return <><h1 class="sr">Schedules</h1><Skeleton rows={6} /></>;
  const put = (s: Schedule): void => l.put((all) => all.map((x) => (x.id === s.id ? s : x)));
  return (
    <div class="screen narrow">
      <header class="titlebar"><h1>Schedules</h1><span class="grow" /><a class="btn" href="/schedules?add">Add a schedule</a></header>
      {!l.items.length ? <Empty title="No schedules yet">A schedule starts a saved list by itself: once, every few hours, daily, weekly or by a cron expression.</Empty>
        : <ul class="rows entries schedules">{l.items.filter((s) => !away.has(`schedule:${s.id}`)).map((s) => (
            <li key={s.id}>
              <div class="what"><p class="lead"><a href={`/schedules/${s.id}`}>{visible(s.name)}</a> <span class="faint">{visible(ruleText(s))}</span></p>
                <p><Next s={s} /> · <span class="faint">{isGone(s) ? 'its list is gone' : <>list <a href={`/lists/${s.list!.id}`}>{visible(s.list!.name)}</a></>}</span></p>
                {!s.enabled && s.reason && <p class="t-fail">Turned off by itself: {visible(s.reason)}</p>}
                {s.last && <p class="last"><Badge face={startFace(s.last)} /> <Ago at={s.last.at} />{s.last.launch !== null && <> <a href={`/launches/${s.last.launch}`}>#{s.last.launch}</a></>}{s.last.text && <span class={s.last.result === 'failed' ? 't-fail' : 'faint'}> {visible(s.last.text)}</span>}</p>}</div>
              <Switch s={s} put={put} /><RunNow s={s} />
            </li>))}</ul>}
      <More l={l} />
    </div>
  );
}
function Switch({ s, put }: { s: Schedule; put: (s: Schedule) => void }) {
  const [busy, setBusy] = useState(false), [error, setError] = useState<ApiError | null>(null);
  const flip = async (): Promise<void> => {
    setBusy(true); setError(null);
    try { put(await post<Schedule>(`/schedules/${s.id}`, { enabled: !s.enabled, version: s.version })); } catch (e) { setError(asError(e)); }
    setBusy(false);
  };
  return <><button type="button" class="switch" role="switch" aria-checked={s.enabled} aria-label={`${visible(s.name)} is on`} aria-disabled={busy} onClick={() => busy || void flip()}><i /><span aria-hidden="true">{s.enabled ? 'On' : 'Off'}</span></button>{error && <span class="said t-fail" role="alert">{visible(error.message)}</span>}</>;
}
const RunNow = ({ s }: { s: Schedule }) => <Starts kind="small" disabled={isGone(s)} label={`Run now: ${visible(s.name)}`} run={() => post<Launch>(`/schedules/${s.id}/run`)}>Run now</Starts>;

export function ScheduleScreen({ id }: { id: number }) {
  const l = useLoad<Schedule>(`/schedules/${id}`), starts = usePages<Start>(`/schedules/${id}/starts`), [n, setN] = useState(0);
  useTitle(l.data?.name ?? 'Schedule');
  if (l.error && !l.data) return <Failed error={l.error} what="The schedule" retry={l.load} />;
  if (!l.data) return <Skeleton rows={6} />;
  const s = l.data;
  return (
    <div class="screen narrow cards">
      <header class="headline">
        <div class="titles"><p class="crumb"><a href="/schedules">Schedules</a></p><h1>{visible(s.name)}</h1>
          <p class="sub"><span>{visible(ruleText(s))}</span><span><Next s={s} /></span></p>
          {!s.enabled && s.reason && <p class="t-fail">Turned off by itself: {visible(s.reason)}</p>}</div>
        <p class="acts"><Switch s={s} put={l.set} /><RunNow s={s} /><button type="button" class="btn danger" onClick={() => { deleteLater(`The schedule ${s.name} deleted`, [`schedule:${id}`], (leaving) => del(`/schedules/${id}`, false, leaving)); go('/schedules'); }}>Delete</button></p>
      </header>
      <section class="card" aria-labelledby="rule-h"><h2 id="rule-h">What and when</h2><Edit key={`${s.version}.${n}`} s={s} list={s.list?.id ?? 0} saved={(x) => { l.set(x); setN(n + 1); }} reload={() => { void l.load(); }} /></section>
      <section class="card" aria-labelledby="starts-h"><h2 id="starts-h">What came of it</h2>
        {starts.error && !starts.items ? <Trouble error={starts.error} retry={starts.load} />
          : !starts.items ? <p class="faint">…</p>
            : !starts.items.length ? <p class="faint">It has not been due yet.</p>
              : <ul class="rows">{starts.items.map((x) => <li key={x.due_at}><Badge face={startFace(x)} /><span class="what">due {localText(x.due_local)}{x.late_ms > 60_000 ? `, ${dur(x.late_ms)} late` : ''}{x.text && <p class={x.result === 'failed' ? 't-fail' : 'faint'}>{visible(x.text)}</p>}</span>{x.launch !== null && <a href={`/launches/${x.launch}`}>launch #{x.launch}</a>}</li>)}</ul>}
        <More l={starts} />
      </section>
    </div>
  );
}

const KINDS: [Kind, string][] = [['daily', 'Every day'], ['weekly', 'On days of the week'], ['every', 'Every so many hours'], ['once', 'Once'], ['cron', 'Cron expression']];
const zones = (): string[] => { try { return ['UTC', ...Intl.supportedValuesOf('timeZone')]; } catch { return ['UTC']; } };

function Edit({ s, list, saved, reload }: { s: Schedule | null; list: number; saved: (s: Schedule) => void; reload?: () => void }) {
  const lists = useLoad<Page<List>>('/lists?limit=500'), id = useId(), form = useRef<HTMLFormElement>(null);
  const first: Rule = s ? { kind: s.kind, at: s.at, hours: s.hours, minutes: s.minutes, days: s.days, cron: s.cron, zone: s.zone, until: s.until }
    : { kind: 'daily', at: '02:00', hours: 2, minutes: 0, days: 'mon,tue,wed,thu,fri', cron: '', zone: (me.value?.user?.zone !== 'UTC' && me.value?.user?.zone) || Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC', until: '' };
  const [r, setR] = useState(first), [name, setName] = useState(s?.name ?? ''), [of, setOf] = useState(list), [overlap, setOverlap] = useState(s?.overlap ?? 'skip'), [late, setLate] = useState(String(s?.give_up_h ?? 24));
  const [busy, setBusy] = useState(false), [error, setError] = useState<ApiError | null>(null), [wrong, setWrong] = useState<Record<string, string>>({}), [done, setDone] = useState(''), [dirty, setDirty] = useState(false);
  const change = (c: Partial<Rule>): void => { setDirty(true); setDone(''); setWrong({}); setR({ ...r, ...c }); };
  const preview = usePreview(r);
  const all = useMemo(zones, []);
  useEffect(() => { if (!of && lists.data?.items.length === 1) setOf(lists.data.items[0].id); }, [lists.data]);
  useEffect(() => {
    if (!dirty) return;
    const stay = (e: BeforeUnloadEvent): void => e.preventDefault();
    addEventListener('beforeunload', stay);
    return () => removeEventListener('beforeunload', stay);
  }, [dirty]);
  const fault = (f: string): string => wrong[f] ?? (preview.error?.field === f ? preview.error.message.replace(/^[^:]+: /, '') : '');
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    setError(null); setDone('');
    const bad: Record<string, string> = {};
    if (!of) bad.list = 'Choose the list that it starts.';
    if (!/^[1-9]\d{0,3}$/.test(late)) bad.give_up_h = 'A number of hours, 1 or more.';
    setWrong(bad);
    if (Object.keys(bad).length) { form.current?.querySelector<HTMLElement>('[data-wrong] :is(select, input)')?.focus(); return; }
    setBusy(true);
    try {
      const x = await post<Schedule>(s ? `/schedules/${s.id}` : '/schedules', { list: of, ...(name.trim() ? { name: name.trim() } : {}), ...ruleBody(r), overlap, give_up_h: Number(late), ...(s ? { version: s.version } : {}) });
      setDirty(false); setDone('Saved.');
      saved(x);
    } catch (x) {
      const err = asError(x);
      if (err.field && ['name', 'list', 'at', 'hours', 'minutes', 'days', 'cron', 'zone', 'until', 'give_up_h'].includes(err.field)) setWrong({ [err.field === 'hours' ? 'minutes' : err.field]: err.message.replace(/^[^:]+: /, '') });
      else setError(err);
    }
    setBusy(false);
  };
  const field = (f: string, label: string, input: preact.JSX.Element, hint?: string): preact.JSX.Element => (
    <div class="field" data-wrong={fault(f) ? '' : undefined}><label for={`${id}${f}`}>{label}</label>{input}{hint && <p class="hint">{hint}</p>}{fault(f) && <p class="wrong" role="alert">{visible(fault(f))}</p>}</div>
  );
  const picked = r.days.split(',').filter(Boolean);
  if (lists.error && !lists.data) return <Trouble error={lists.error} retry={lists.load} before="The lists could not be loaded" />;
  if (lists.data && !lists.data.items.length) return <Empty title="A schedule runs a saved list">There is none yet. Tick files in <a href="/compose">Compose</a> and press “Save as list”.</Empty>;
  return (
    <form class="form listform" ref={form} onSubmit={(e) => void save(e)} noValidate aria-label="Schedule">
      {error && <div class="note bad" role="alert">{error.status === 409 && reload ? <>Somebody else changed it meanwhile; what is typed here was not saved. <button type="button" class="btn small" onClick={reload}>Show it as it is now</button></> : visible(error.message)}</div>}
      <div class="pair">
        {field('list', 'List', <select id={`${id}list`} value={String(of)} onChange={(e) => { setOf(Number(e.currentTarget.value)); setDirty(true); }}><option value="0">{lists.data ? 'Choose…' : 'loading…'}</option>{s?.list && !lists.data?.items.some((x) => x.id === s.list!.id) && <option value={String(s.list.id)} selected={of === s.list.id}>{visible(s.list.name || 'a list that is gone')}</option>}{lists.data?.items.map((x) => <option key={x.id} value={String(x.id)} selected={x.id === of}>{visible(x.name)}</option>)}</select>)}
        {field('name', 'Name', <input id={`${id}name`} value={name} maxLength={80} placeholder="that of the list" onInput={(e) => { setName(e.currentTarget.value); setDirty(true); }} />)}
      </div>
      <div class="field"><span class="label" id={`${id}k`}>When</span>
        <div class="seg" role="group" aria-labelledby={`${id}k`}>{KINDS.map(([k, text]) => <button key={k} type="button" class="btn" aria-pressed={r.kind === k} onClick={() => change({ kind: k, at: k === 'once' || k === 'every' ? (r.at.includes('T') ? r.at : '') : r.at.includes('T') || !r.at ? '02:00' : r.at })}>{text}</button>)}</div></div>
      {(r.kind === 'daily' || r.kind === 'weekly') && field('at', 'Time of the day', <input id={`${id}at`} {...{ type: 'time' } as object} value={r.at} onInput={(e) => change({ at: (e.currentTarget as HTMLInputElement).value })} />)}
      {r.kind === 'weekly' && <div class="field" data-wrong={fault('days') ? '' : undefined}><span class="label" id={`${id}d`}>Days</span><div class="seg" role="group" aria-labelledby={`${id}d`}>{DAYS.map(([d, text]) => <button key={d} type="button" class="btn" aria-pressed={picked.includes(d)} onClick={() => change({ days: DAYS.map((x) => x[0]).filter((x) => (x === d ? !picked.includes(d) : picked.includes(x))).join(',') })}>{text}</button>)}</div>{fault('days') && <p class="wrong" role="alert">{visible(fault('days'))}</p>}</div>}
      {r.kind === 'once' && field('at', 'Date and time', <input id={`${id}at`} {...{ type: 'datetime-local' } as object} value={r.at.slice(0, 16)} onInput={(e) => change({ at: (e.currentTarget as HTMLInputElement).value })} />)}
      {r.kind === 'every' && <div class="pair">
        <div class="pair">
          {field('hours', 'Hours', <input id={`${id}hours`} {...{ type: 'number' } as object} min={0} max={8784} value={r.hours ?? 0} onInput={(e) => change({ hours: Number((e.currentTarget as HTMLInputElement).value) })} />)}
          {field('minutes', 'Minutes', <input id={`${id}minutes`} {...{ type: 'number' } as object} min={0} max={59} value={r.minutes ?? 0} onInput={(e) => change({ minutes: Number((e.currentTarget as HTMLInputElement).value) })} />)}
        </div>
        {field('at', 'The first time', <input id={`${id}at`} {...{ type: 'datetime-local' } as object} value={r.at.slice(0, 16)} onInput={(e) => change({ at: (e.currentTarget as HTMLInputElement).value })} />, 'Empty: one period from now.')}
      </div>}
      {r.kind === 'cron' && field('cron', 'Expression', <input id={`${id}cron`} class="code" value={r.cron} maxLength={200} placeholder="30 2 * * mon-fri" spellcheck={false} onInput={(e) => change({ cron: e.currentTarget.value })} />, 'Minute, hour, day, month, weekday.')}
      <div class="pair">
        {field('zone', 'Time zone', <input id={`${id}zone`} list={`${id}zones`} value={r.zone} maxLength={80} spellcheck={false} autoComplete="off" onInput={(e) => change({ zone: e.currentTarget.value.trim() })} />)}
        {field('until', 'Ends', <input id={`${id}until`} {...{ type: 'datetime-local' } as object} value={r.until.slice(0, 16)} onInput={(e) => change({ until: (e.currentTarget as HTMLInputElement).value })} />, 'Empty: never.')}
        <datalist id={`${id}zones`}>{all.map((z) => <option key={z} value={z} />)}</datalist>
      </div>
      <section class="preview" aria-label="The next five times" aria-live="polite">
        <h2>Next five times</h2>
        {preview.items ? (preview.items.length ? <ol>{preview.items.map((d) => <li key={d.at}>{localText(d.local)} <span class="faint">{until(d.at, now.value)}</span></li>)}</ol> : <p class="t-pend">No further time: {r.kind === 'once' ? 'this is in the past.' : 'it would never start anything.'}</p>)
          : preview.error && !['at', 'hours', 'minutes', 'days', 'cron', 'zone', 'until'].includes(preview.error.field) ? <p class="wrong">{visible(preview.error.message)}</p> : <p class="faint">{preview.error ? 'They are known when the rule is right.' : isWhole(r) ? '…' : 'They are known when the rule is complete.'}</p>}
      </section>
      <details class="more" open={overlap !== 'skip' || late !== '24' || !!wrong.give_up_h}><summary>When the launch before is not done, or the time was missed</summary>
        <div class="pair">
          {field('overlap', 'The launch before is not done', <select id={`${id}overlap`} value={overlap} onChange={(e) => { setOverlap(e.currentTarget.value as 'skip'); setDirty(true); }}><option value="skip" selected={overlap === 'skip'}>Leave this time out</option><option value="queue" selected={overlap === 'queue'}>Start one more</option></select>)}
          {field('give_up_h', 'A missed time is made up for within (hours)', <input id={`${id}give_up_h`} inputMode="numeric" value={late} maxLength={4} onInput={(e) => { setLate(e.currentTarget.value); setDirty(true); }} />)}
        </div></details>
      <p class="acts"><button type="submit" class="btn primary" disabled={busy}>{busy ? 'Saving…' : s ? 'Save' : 'Add the schedule'}</button>{!s && <a class="btn" href="/schedules">Cancel</a>}<span class="t-pass" role="status">{done}</span></p>
    </form>
  );
}
/** What the server makes of the rule, while it is typed. */
function usePreview(r: Rule): { items: Due[] | null; error: ApiError | null } {
  const [p, set] = useState<{ items: Due[] | null; error: ApiError | null }>({ items: null, error: null }), whole = isWhole(r);
  const query = new URLSearchParams(Object.entries(ruleBody(r)).map(([k, v]) => [k, String(v)])).toString();
  useEffect(() => {
    if (!whole) { set({ items: null, error: null }); return; }
    const ac = new AbortController(), t = setTimeout(() => {
      get<Page<Due>>(`/schedules/preview?${query}&count=5`, ac.signal).then((d) => set({ items: d.items, error: null }), (e) => { if (!ac.signal.aborted) set({ items: null, error: asError(e) }); });
    }, 200);
    return () => { clearTimeout(t); ac.abort(); };
  }, [query, whole]);
  return p;
}
