/** What admins look after: each kind a table of rows that are added, changed, and taken away again. A table is some lines here. */
import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { isAdmin } from '../../core/account';
import { dur, num, plural, visible } from '../../core/fmt';
import type { TableName } from '../../core/route';
import { usd } from '../../core/servers';
import type { Job } from '../../core/types';
import { del, post } from '../api';
import { deleteLater, gone } from '../later';
import { subscribe } from '../live';
import { useTitle } from '../nav';
import { AdminNav, join, text, TITLES } from '../parts/adminnav';
import { Ago, Denied, Dialog, Empty, Failed, More, Skeleton } from '../parts/basics';
import { Act, Check, Field, Form, Select, useForm } from '../parts/form';
import { usePages } from '../parts/useload';
import { me } from '../who';

type Row = Record<string, unknown> & { id: number };
type Kind = 'text' | 'number' | 'check' | 'json' | 'list' | string[];
interface Spec {
  one: string; empty: string;
  /** Name in the API, label, kind, hint; what only a new one is asked for has a name that begins with +. */
  fields?: [name: string, label: string, kind: Kind, hint?: string][];
  sub: (x: Row) => ComponentChildren; tags?: (x: Row) => (string | false)[]; bad?: (x: Row) => unknown;
  acts?: [text: string, when: (x: Row) => boolean, path: (x: Row) => string, body?: (x: Row) => object][];
  keep?: boolean; all?: [text: string, path: string][];
}
const choice = (title: string, one: string, fields: Spec['fields'] = []): Spec => ({
  one, empty: `A launch chooses among the ${title.toLowerCase()} that are here.`, fields: [['name', 'Name', 'text'], ...fields, ['position', 'Place in the list', 'number']], sub: (x) => join(x.type, x.url, x.used_at ? '' : 'not used yet'),
  tags: (x) => [!!x.preset && 'preset', !!x.archived && 'archived'],
  acts: [['Make it the preset', (x) => !x.preset && !x.archived, (x) => `/${title.toLowerCase()}/${x.id}`, () => ({ preset: true })], ['Archive', (x) => !x.archived && !x.preset, (x) => `/${title.toLowerCase()}/${x.id}`, () => ({ archived: true })], ['Bring back', (x) => !!x.archived, (x) => `/${title.toLowerCase()}/${x.id}`, () => ({ archived: false })]],
});
const SPECS: Record<TableName, Spec> = {
  projects: { one: 'project', empty: 'A project is a git repository with test files.', fields: [['name', 'Name', 'text'], ['url', 'Repository', 'text', 'A git url, or a folder of the server’s computer.'], ['refresh_s', 'Seconds between fetches', 'number', '0: only when somebody asks.']], sub: (x) => <>{join(x.url)} · fetched <Ago at={(x.refreshed_at as string) ?? null} /></>, bad: (x) => x.error, acts: [['Fetch now', () => true, (x) => `/projects/${x.id}/refresh`]] },
  locations: choice('Locations', 'location', [['type', 'Type', 'text'], ['url', 'Address', 'text'], ['health_url', 'Address that says whether it is well', 'text']]),
  browsers: choice('Browsers', 'browser'), languages: choice('Languages', 'language'),
  fleets: { one: 'fleet', empty: 'A fleet is where servers come from.', fields: [['name', 'Name', 'text'], ['+kind', 'Kind', ['digitalocean', 'command', 'fake']], ['options', 'Options (JSON)', 'json', 'As docs/fleets.md lists them for its kind.'], ['machines_max', 'Machines at most', 'number'], ['day_usd_max', 'Dollars a day at most', 'number'], ['usd_per_hour', 'Dollars an hour, where no cloud says it', 'number'], ['idle_ms', 'Idle machines go after (ms)', 'number', '0: never.'], ['booked_only', 'Its servers run tests of who booked them alone', 'check']],
    sub: (x) => join(x.kind, x.makes_machines && Number(x.machines_max) > 0 && `at most ${plural(Number(x.machines_max), 'machine')}`, x.makes_machines && Number(x.idle_ms) > 0 && `idle ones go after ${dur(Number(x.idle_ms))}`, Number(x.today_usd) > 0 && `${usd(Number(x.today_usd))} today`, Number(x.day_usd_max) > 0 && `at most ${usd(Number(x.day_usd_max))} a day`), tags: (x) => [!!x.booked_only && 'booked only'], bad: (x) => x.error },
  hooks: { one: 'hook', empty: 'A hook tells another program what happened.', fields: [['name', 'Name', 'text'], ['+type', 'Type', ['webhook', 'github']], ['url', 'Address', 'text'], ['kinds', 'What it is told', 'list', 'launch_started, launch_ended, runs_failed, schedule_failed, server_lost, …'], ['all', 'Of everybody', 'check'], ['enabled', 'On', 'check']], sub: (x) => join(x.type, x.url, x.repository, (x.kinds as string[] | undefined)?.join(', ')), tags: (x) => [!x.enabled && 'off', !!x.all && 'of everybody'], bad: (x) => x.reason, acts: [['Test', (x) => !!x.enabled, (x) => `/hooks/${x.id}/test`]] },
  mails: { one: 'mail', empty: 'No mail was sent.', keep: true, sub: (x) => <>{join(x.kind, x.subject, Number(x.tries) > 1 && plural(Number(x.tries), 'try', 'tries'))} · <Ago at={x.created_at as string} /></>, tags: (x) => [text(x.state)], bad: (x) => x.error, all: [['Send a test mail', '/mails/test'], ['Try again all that wait or failed', '/mails/retry']] },
  jobs: { one: 'job', empty: 'Nothing long was asked for.', keep: true, sub: (x) => <>{join(x.by, `${num(Number(x.done))}${x.total === null ? '' : ` of ${num(Number(x.total))}`}`)} · <Ago at={x.at as string} /></>, tags: (x) => [text(x.state)], bad: (x) => x.error },
};

export function Admin({ table }: { table: TableName }) {
  useTitle(TITLES[table]);
  return isAdmin(me.value) || table === 'hooks' ? <Table at={table} s={SPECS[table]} /> : <Denied />;
}
function Table({ at, s }: { at: TableName; s: Spec }) {
  const l = usePages<Row>(`/${at}${s.fields?.some(([n]) => n === 'position') ? '?archived=1' : at === 'hooks' && isAdmin(me.value) ? '?all=1' : ''}`, s.keep ? 100 : 0), [edit, setEdit] = useState<Row | null | undefined>(undefined), away = gone.value, title = TITLES[at];
  useEffect(() => (at === 'jobs' ? subscribe({ topics: () => ['jobs'], ready: () => {}, on: (batch) => { for (const e of batch) if (e.type === 'job') { const j = e.data as Job & Row; l.put((had) => (had.some((x) => x.id === j.id) ? had.map((x) => (x.id === j.id ? j : x)) : [j, ...had])); } } }) : undefined), []);
  const name = (x: Row): string => visible(text(x.name ?? x.to ?? `${text(x.kind)} #${x.id}`)), rows = (l.items ?? []).filter((x) => !away.has(`${at}:${x.id}`));
  const remove = (x: Row): void => deleteLater(`${name(x)} deleted`, [`${at}:${x.id}`], (leaving) => del(`/${at}/${x.id}`, false, leaving).then(() => l.load()));
  return (
    <div class="screen narrow">
      <AdminNav at={at} />
      <header class="titlebar"><h1>{title}</h1><span class="grow" />{s.all?.map(([word, path]) => <Act key={path} run={() => post(path).then(l.load)}>{word}</Act>)}{s.fields && <button type="button" class="btn primary" onClick={() => setEdit(null)}>Add a {s.one}</button>}</header>
      {l.error && !l.items ? <Failed error={l.error} what={title} retry={l.load} /> : !l.items ? <Skeleton rows={5} /> : !rows.length ? <Empty title={`No ${title.toLowerCase()} yet`}>{s.empty}</Empty> : (
        <ul class="rows entries">{rows.map((x) => (
          <li key={x.id}><div class="what"><p class="lead"><b>{at === 'hooks' ? <a href={`/admin/hooks/${x.id}`}>{name(x)}</a> : name(x)}</b>{s.tags?.(x).map((t) => t && <span key={t} class="tag">{visible(t)}</span>)}</p><p class="faint">{s.sub(x)}</p>{s.bad?.(x) ? <p class="t-fail">{visible(text(s.bad(x)))}</p> : null}</div>
            {s.acts?.filter(([, when]) => when(x)).map(([word, , path, body]) => <Act key={word} small label={`${word}: ${name(x)}`} run={() => post(path(x), body?.(x) ?? {}).then(l.load)}>{word}</Act>)}
            {s.fields && <button type="button" class="btn small" aria-label={`Change ${name(x)}`} onClick={() => setEdit(x)}>Change</button>}
            {at === 'jobs' ? x.state === 'running' && <Act small run={() => del(`/jobs/${x.id}`).then(l.load)}>Cancel</Act> : !s.keep && !x.preset && <button type="button" class="btn small" aria-label={`Delete ${name(x)}`} onClick={() => remove(x)}>Delete</button>}</li>))}</ul>)}
      <More l={l} />
      <Dialog title={edit ? `Change ${name(edit)}` : `Add a ${s.one}`} open={edit !== undefined} close={() => setEdit(undefined)}>{edit !== undefined && <Edit key={edit?.id ?? 0} at={at} s={s} x={edit} done={() => { setEdit(undefined); void l.load(); }} close={() => setEdit(undefined)} />}</Dialog>
    </div>
  );
}
function Edit({ at, s, x, done, close }: { at: TableName; s: Spec; x: Row | null; done: () => void; close: () => void }) {
  const fields = s.fields!.filter(([n]) => !x || !n.startsWith('+')).map(([n, ...rest]) => [n.replace('+', ''), ...rest] as const), [secret, setSecret] = useState('');
  const f = useForm(async (v) => {
    const body: Record<string, unknown> = {};
    for (const [n, , kind] of fields) {
      const had = x ? text(x[n]) : '', now = v[n] ?? '';
      if (kind === 'check') { if (!x || !!x[n] !== (now === 'yes')) body[n] = now === 'yes'; } else if (now !== had) body[n] = kind === 'number' ? Number(now) : kind === 'json' ? JSON.parse(now || '{}') : kind === 'list' ? now.split(/[\s,"[\]]+/).filter(Boolean) : now;
    }
    const made = await post<{ secret?: string | null }>(x ? `/${at}/${x.id}` : `/${at}`, body);
    if (made.secret) setSecret(made.secret); else done();
  }, (v) => {
    const bad: Record<string, string> = {};
    for (const [n, , kind] of fields) {
      if (kind === 'number' && v[n] && Number.isNaN(Number(v[n]))) bad[n] = 'A number.';
      if (kind === 'json' && v[n]) try { JSON.parse(v[n]); } catch { bad[n] = 'It is no JSON.'; }
    }
    return bad;
  });
  if (secret) return <><p role="status">Its secret, shown this once:</p><p class="secret"><code>{secret}</code></p><p class="acts"><button type="button" class="btn primary" onClick={done}>Close</button></p></>;
  return (
    <Form f={f} label={s.one} submit={x ? 'Save' : 'Add'} extra={<button type="button" class="btn" onClick={close}>Cancel</button>}>
      {fields.map(([n, label, kind, hint], i) => Array.isArray(kind) ? <Select key={n} f={f} name={n} label={label} value={kind[0]} options={kind.map((k) => [k, k])} />
        : kind === 'check' ? <Check key={n} name={n} label={label} on={x ? !!x[n] : n === 'enabled'} />
          : <Field key={n} f={f} name={n} label={label} value={x ? text(x[n]) : ''} hint={hint} required={i === 0} focus={i === 0} max={4000} code={kind === 'json'} />)}
    </Form>
  );
}
