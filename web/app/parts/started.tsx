/** What a launch was started with, and how one of its runs was. Secrets have names here, and no values. */
import type { ComponentChildren } from 'preact';
import { dur, plural, visible, visibleText } from '../../core/fmt';
import { quoted } from '../../core/history';
import type { Command, Launch, Parameters, Test, Variable } from '../../core/types';
import { Copy, Failed, Skeleton } from './basics';
import { useLoad } from './useload';

const limit = (s: number): string => (s ? dur(s * 1000) : 'none');
const facts = (rows: [string, ComponentChildren][]) => <dl class="facts">{rows.map(([k, v]) => (v ? <div key={k}><dt>{k}</dt><dd>{v}</dd></div> : null))}</dl>;
const Card = ({ title, children }: { title: string; children: ComponentChildren }) => <section class="silent" aria-label={title}><h2>{title}</h2>{children}</section>;

function Variables({ env }: { env: Variable[] }) {
  return (
    <Card title={plural(env.length, 'variable')}>
      <table class="plaintable vars"><thead><tr><th>Name</th><th>Value</th></tr></thead>
        <tbody>{env.map((v) => <tr key={v.name}><td><code>{visible(v.name)}</code></td><td>{v.value !== null ? <code>{visibleText(v.value)}</code> : <span class="faint">{v.secret ? 'secret' : 'for its user and admins to see'}</span>}</td></tr>)}</tbody></table>
    </Card>
  );
}
const each = (all: Iterable<Test>, of: (t: Test) => string | undefined): string => [...new Set([...all].map(of))].filter(Boolean).map((x) => visible(x!)).join(', ');

export function LaunchParameters({ l, tests }: { l: Launch; tests: ReadonlyMap<number | string, Test> }) {
  const p = useLoad<Parameters>(`/launches/${l.id}/parameters`), d = p.data;
  if (!d) return p.error ? <Failed error={p.error} what="The parameters" retry={p.load} /> : <Skeleton rows={4} />;
  return (
    <>
      <Card title="Started with">{facts([
        ['Project', visible(l.project.name)], ['Branch, tag or commit', visible(l.ref) || 'the default branch'], ['Commit', <><code class="path">{l.commit}</code> <Copy text={() => l.commit} what="commit" /></>],
        ['Server under test', visible(l.location ?? '')], ['Languages', each(tests.values(), (t) => t.language)], ['Browsers', each(tests.values(), (t) => t.browser)],
        ['Order', l.order === 'finish-soonest' ? 'finish soonest' : 'as given'], ['Servers', d.servers.length ? d.servers.map((s) => visible(s.name)).join(', ') : 'any'],
        ['At a time on one server', l.slots ? String(l.slots) : 'as many as it has slots'], ['Time limit', limit(d.time_limit_s)], ['Limit without output', limit(d.silence_limit_s)],
        ['Again after a lost machine', plural(d.retries, 'time')], ['A silent server is lost after', limit(d.lease_s)], ['Kept files', d.artifacts.map(visible).join(', ')],
        ['Mail at its end', l.mail === 'choice' ? 'as the account says' : l.mail],
      ])}</Card>
      <Variables env={d.env} />
    </>
  );
}

export function RunCommand({ id }: { id: number }) {
  const c = useLoad<Command>(`/runs/${id}/command`), d = c.data;
  if (!d) return c.error ? <Failed error={c.error} what="The command" retry={c.load} /> : <Skeleton rows={4} />;
  return (
    <>
      <Card title="Command"><ol class="argv" aria-label="Its words">{d.argv.map((w) => <li><code>{visible(w)}</code></li>)}</ol>
        <p class="faint">Each word as it is: no shell reads them. <Copy text={() => d.argv.map(quoted).join(' ')} what="the command, for a shell" framed /></p>
        {facts([['Result from', [d.report === 'exit' ? 'its exit status' : d.report, ...d.reports.map(visible)].join(', ')], ['Time limit', limit(d.time_limit_s)], ['Limit without output', limit(d.silence_limit_s)]])}
      </Card>
      <Variables env={d.env} />
    </>
  );
}
