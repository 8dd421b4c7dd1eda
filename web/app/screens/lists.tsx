/** Saved lists: run one, open it in compose, share it, see what starts it. */
import { useState } from 'preact/hooks';
import { num, plural, visible } from '../../core/fmt';
import { matches } from '../../core/filter';
import { sentence } from '../../core/compose';
import { ruleText } from '../../core/schedule';
import type { Launch, List, Schedule } from '../../core/types';
import { del, post } from '../api';
import { deleteLater, gone } from '../later';
import { go, useTitle } from '../nav';
import { Ago, Dialog, Empty, Failed, More, Skeleton, Trouble } from '../parts/basics';
import { FilterBox, useFilter } from '../parts/filterbox';
import { Check, Field, Form, useForm } from '../parts/form';
import { Starts } from '../parts/retest';
import { useLoad, usePages } from '../parts/useload';
import { VList } from '../parts/vlist';
import { me } from '../who';

export const isMine = (l: { user: { id: number } }): boolean => !me.value?.accounts || l.user.id === me.value.user?.id;
const params = (l: List): string => [l.location, l.languages.join(', '), l.browsers.join(', '), l.env.length ? plural(l.env.length, 'variable') : '', l.order === 'finish-soonest' ? 'finish soonest' : ''].filter(Boolean).map(visible).join(' · ') || 'the presets';

/** One press, one launch. */
const RunList = ({ l, kind }: { l: List; kind: string }) => <Starts kind={kind} label={`Run ${visible(l.name)}`} title="With Shift: at the front of the queue" run={(front) => post<Launch>(`/lists/${l.id}/launch`, { at: front ? 'front' : 'end' })}>Run</Starts>;

const KEYS = ['project', 'owner'];
export function Lists() {
  useTitle('Lists');
  const l = usePages<List>('/lists'), { f } = useFilter(KEYS);
  if (l.error && !l.items) return <Failed error={l.error} what="The lists" retry={l.load} />;
  if (!l.items) return <><h1 class="sr">Lists</h1><Skeleton rows={6} /></>;
  const away = gone.value, rows = l.items.filter((x) => !away.has(`list:${x.id}`) && matches(f, x.name, (k) => (k === 'project' ? x.project.name : x.user.login)));
  return (
    <div class="screen narrow">
      <header class="titlebar"><h1>Lists</h1><span class="grow" /><a class="btn" href="/compose">Compose a new one</a></header>
      {l.items.length > 0 && <div class="bar-of"><FilterBox what="lists" hint="Filter, project:docs" known={KEYS} to=".entries a" /><span class="faint num">{num(rows.length)}{l.more ? ' and more' : ''}</span></div>}
      {!l.items.length ? <Empty title="No lists yet">A list keeps files with their branch and parameters. Tick files in <a href="/compose">Compose</a>, then press “Save as list”. Schedules run lists.</Empty>
        : !rows.length ? <Empty title="No list fits the filter" />
          : <ul class="rows entries">{rows.map((x) => (
              <li key={x.id}>
                <div class="what"><p class="lead"><a href={`/lists/${x.id}`}>{visible(x.name)}</a>{x.shared && <span class="tag">shared{isMine(x) ? '' : ` by ${visible(x.user.login)}`}</span>}</p>
                  <p class="faint">{visible(x.project.name)}{x.ref ? ` ${visible(x.ref)}` : ''} · {plural(x.n_files, 'entry', 'entries')} · {params(x)}{x.n_schedules ? ` · ${plural(x.n_schedules, 'schedule')}` : ''} · changed <Ago at={x.changed_at} /></p></div>
                <RunList l={x} kind="small" />
                <a class="btn small" href={`/compose?list=${x.id}`} aria-label={`Open in Compose: ${visible(x.name)}`}>Open in Compose</a>
              </li>))}</ul>}
      <More l={l} />
    </div>
  );
}

export function ListScreen({ id }: { id: number }) {
  const l = useLoad<List>(`/lists/${id}`), s = useLoad<{ items: Schedule[] }>(`/schedules?list=${id}`);
  useTitle(l.data?.name ?? 'List');
  if (l.error && !l.data) return <Failed error={l.error} what="The list" retry={l.load} />;
  if (!l.data) return <Skeleton rows={6} />;
  const x = l.data, mine = isMine(x), files = x.files ?? [];
  return (
    <div class="screen narrow cards">
      <header class="headline">
        <div class="titles"><p class="crumb"><a href="/lists">Lists</a></p><h1>{visible(x.name)}{x.shared && <span class="tag">shared{mine ? '' : ` by ${visible(x.user.login)}`}</span>}</h1>
          <p class="sub"><span>{visible(x.project.name)} {x.ref ? visible(x.ref) : 'default branch'}</span><span>{x.files && !files.some((f) => /[*?[]|\/$/.test(f)) ? sentence(files.length, x) : plural(x.n_files, 'entry', 'entries')}</span><span>{params(x)}</span></p></div>
        <p class="acts"><RunList l={x} kind="primary" /><a class="btn" href={`/compose?list=${x.id}`}>{mine ? 'Edit in Compose' : 'Open in Compose'}</a>{mine && <Delete l={x} schedules={s.data?.items ?? []} known={!!s.data} />}</p>
      </header>
      <section class="card" aria-labelledby="files-h"><h2 id="files-h">{plural(files.length, 'entry', 'entries')}</h2>
        {files.length ? <VList class={`plainlist${files.length < 7 ? ' few' : ''}`} count={files.length} row={24} label="Entries of the list" rowsRole="list" item={(i, slot) => <div key={slot} class="prow" role="listitem" aria-setsize={files.length} aria-posinset={i + 1} title={files[i]}>{visible(files[i])}</div>} /> : <p class="faint">None.</p>}
      </section>
      <section class="card" aria-labelledby="sched-h"><h2 id="sched-h">Schedules</h2>
        {s.error && !s.data ? <Trouble error={s.error} retry={s.load} />
          : !s.data ? <p class="faint">…</p>
            : s.data.items.length ? <ul class="rows">{s.data.items.map((y) => <li key={y.id}><span class="what"><a href={`/schedules/${y.id}`}>{visible(y.name)}</a> <span class="faint">{visible(ruleText(y))}{y.enabled ? '' : ', off'}</span></span></li>)}</ul> : <p class="faint">Nothing starts it by itself.</p>}
        <p class="acts"><a class="btn" href={`/schedules?add=${x.id}`}>Add a schedule</a></p>
      </section>
      {mine && <Edit l={x} changed={l.set} />}
    </div>
  );
}
function Edit({ l, changed }: { l: List; changed: (l: List) => void }) {
  const f = useForm(async (v) => { changed(await post<List>(`/lists/${l.id}`, { name: v.name, shared: v.shared === 'yes', version: l.version })); return 'Saved.'; });
  return (
    <section class="card" aria-labelledby="name-h"><h2 id="name-h">Name and sharing</h2>
      <Form f={f} label="Name and sharing" submit="Save" primary={false}>
        <Field f={f} name="name" label="Name" value={l.name} required max={80} />
        <Check name="shared" label="Everybody may read and run it" on={l.shared} />
      </Form>
    </section>
  );
}
/** Gone at once, and for ten seconds to be had again. Schedules that start it are told of before. */
function Delete({ l, schedules, known }: { l: List; schedules: readonly Schedule[]; known: boolean }) {
  const [open, setOpen] = useState(false);
  const remove = (): void => { deleteLater(`The list ${l.name} deleted`, [`list:${l.id}`], (leaving) => del(`/lists/${l.id}${schedules.length ? '?force=1' : ''}`, false, leaving)); go('/lists'); };
  return (
    <>
      <button type="button" class="btn danger" disabled={!known} onClick={() => (schedules.length ? setOpen(true) : remove())}>Delete</button>
      <Dialog title={`Delete the list ${visible(l.name)}?`} open={open} close={() => setOpen(false)}>
        <p>{plural(schedules.length, 'schedule')} {schedules.length === 1 ? 'starts' : 'start'} it: {schedules.slice(0, 5).map((x) => visible(x.name)).join(', ')}. Launches that it started stay.</p>
        <p class="acts"><button type="button" class="btn" autoFocus onClick={() => setOpen(false)}>Keep it</button><button type="button" class="btn danger" onClick={remove}>Delete it, and turn its schedules off</button></p>
      </Dialog>
    </>
  );
}
