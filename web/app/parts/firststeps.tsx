/** From nothing to the first green run: a project, a server, Run. */
import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';
import { isAdmin } from '../../core/account';
import { visible } from '../../core/fmt';
import type { Project, Server } from '../../core/types';
import { post } from '../api';
import { useTitle } from '../nav';
import { me } from '../who';
import { Failed, Skeleton } from './basics';
import { Field, Form, useForm } from './form';
import { useLoad } from './useload';

/** The last word of a url, as a name to begin with. */
const nameOf = (u: string): string => u.replace(/\/+$/, '').replace(/\.git$/, '').split(/[/:]/).at(-1) ?? '';

export function AddProject({ added }: { added: (p: Project) => void }) {
  const f = useForm(async (v) => {
    const u = /^[\w.-]+\/[\w.-]+$/.test(v.url) ? `https://github.com/${v.url}` : v.url;
    added(await post<Project>('/projects', { name: v.name || nameOf(u), url: u }));
  });
  return (
    <Form f={f} label="Add a project" submit="Add the project">
      <Field f={f} name="url" label="Repository" required max={2048} code placeholder="https://git.example.org/team/tests.git" hint="A git url, owner/name of GitHub, or a folder of the server's computer." />
      <Field f={f} name="name" label="Name" max={200} hint="Empty: the last word of the url." />
    </Form>
  );
}

/** This computer as a server: the quickest way to a first run. */
export function AddLocal({ added }: { added: (s: Server) => void }) {
  const f = useForm(async (v) => { added(await post<Server>('/servers', { name: v.name, fleet: 'local', slots: Number(v.slots) })); },
    (v): Record<string, string> => (/^[1-9]\d{0,2}$/.test(v.slots ?? '') ? {} : { slots: `“${visible(v.slots ?? '')}” is no number from 1 to 999.` }));
  return (
    <Form f={f} label="Use the server's computer" submit="Use this computer">
      <div class="pair">
        <Field f={f} name="name" label="Name" value="local-1" required max={64} />
        <Field f={f} name="slots" label="Files at a time" value="2" required max={3} />
      </div>
    </Form>
  );
}

/** Where the board would be, until there was a first launch. */
export function FirstSteps({ servers }: { servers: number }) {
  const l = useLoad<{ items: Project[] }>('/projects'), projects = l.data?.items.length ?? 0, reload = (): void => void l.load();
  useTitle('First steps');
  const admin = isAdmin(me.value), [open, setOpen] = useState<'' | 'project' | 'server'>('');
  const step = (n: number, done: boolean, title: string, text: string, body?: ComponentChildren): JSX.Element => (
    <li data-done={done ? '' : undefined}><span class="no" aria-hidden="true">{done ? '✓' : n}</span><div><h2>{title}{done && <span class="sr"> (done)</span>}</h2><p>{text}</p>{body}</div></li>
  );
  if (l.error && !l.data) return <Failed error={l.error} what="The page" retry={reload} />;
  if (!l.data) return <Skeleton rows={4} />;
  return (
    <section class="first" aria-labelledby="first-h">
      <h1 id="first-h">Three steps to the first run</h1>
      <ol>
        {step(1, projects > 0, 'A project', projects > 0 ? 'There is one.' : admin ? 'The git repository that holds your test files.' : 'An admin adds the git repository that holds the test files.',
          !projects && admin ? (open === 'project' ? <AddProject added={() => { setOpen(''); reload(); }} /> : <button type="button" class="btn primary" onClick={() => setOpen('project')}>Add a project</button>) : null)}
        {step(2, servers > 0, 'A server', servers > 0 ? 'There is one.' : admin ? 'Where tests run. The computer of wrata itself is the quickest; machines of yours or of a cloud come later.' : 'An admin adds the machines that tests run on.',
          !servers && admin ? (open === 'server' ? <><AddLocal added={() => { setOpen(''); reload(); }} /><p><a href="/servers?add">Add a machine by ssh instead</a></p></> : <button type="button" class={projects ? 'btn primary' : 'btn'} onClick={() => setOpen('server')}>Add a server</button>) : null)}
        {step(3, false, 'Run', 'Tick a few files, and press Run.', <a class={projects && servers ? 'btn primary' : 'btn'} href="/compose">Compose</a>)}
      </ol>
    </section>
  );
}
