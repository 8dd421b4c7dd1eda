/** Failures by what caused them: one row for a message whose numbers differ, with what it hit and since when. */
import { useState } from 'preact/hooks';
import { num, plural, visible } from '../../core/fmt';
import type { Cause, Causes, Example, Launch } from '../../core/types';
import { failureKey, type LaunchStore } from '../stores';
import { Ago } from './basics';
import { Failure } from './failure';
import { Retest } from './retest';

const few = (all: readonly string[], n: number): string => `${all.slice(0, n).map(visible).join(', ')}${all.length > n ? ', …' : ''}`;
export const sentence = (c: Causes): string => `${plural(c.failures, 'failure')}, ${plural(c.n_causes, 'cause')}`;

export function ByCause({ store, l, causes, paths, at }: { store: LaunchStore; l: Launch; causes: Causes; paths: ReadonlyMap<number, string>; at: string }) {
  return <>{causes.causes.map((c, i) => <One key={c.cause} c={c} open={i === 0} store={store} l={l} paths={paths} at={at} />)}</>;
}
function One({ c, open, store, l, paths, at }: { c: Cause; open: boolean; store: LaunchStore; l: Launch; paths: ReadonlyMap<number, string>; at: string }) {
  const [all, setAll] = useState(false), own = [...store.failures.rows.values()].filter((x) => x.cause === c.cause);
  const named = c.examples.map((e) => store.failures.rows.get(`${e.run}.${e.seq}`)).filter((x): x is Example => !!x), shown = all ? own : named, runs = [...new Set((own.length ? own : named).map((x) => x.run))];
  return (
    <details class="cause" open={open || shown.some((x) => failureKey(x) === at)}>
      <summary><b class="num">{num(c.count)} ×</b> <h2>{visible(c.title)}</h2>{!c.known && <span class="tag new">new</span>}
        <span class="sub">{[c.exception && visible(c.exception), plural(c.files, 'file'), few(c.servers, 3)].filter(Boolean).join(' · ')}{c.known && <> · first seen <Ago at={c.first_seen.at} /></>}</span></summary>
      <div class="body">
        {c.frame && <p class="place">{visible(c.frame)}</p>}
        <p class="acts">{c.known && <a href={`/launches/${c.first_seen.launch}`}>Seen first in #{c.first_seen.launch}</a>}{l.state === 'done' && runs.length > 0 && <Retest runs={runs} kind="small" />}</p>
        {shown.map((x, i) => <Failure key={failureKey(x)} x={x} open={open && i === 0} level={3} where={paths.get(x.run) ?? ''} current={failureKey(x) === at} kept={store.kept.of(x)} />)}
        {c.examples.filter((e) => !store.failures.rows.has(`${e.run}.${e.seq}`)).map((e) => <p key={e.run} class="place"><a href={`/runs/${e.run}`}>{visible(e.path)}</a> {visible(e.description || store.every.rows.get(e.run)?.reason || '')}</p>)}
        {!all && own.length > named.length && <p class="acts"><button type="button" class="btn small" onClick={() => setAll(true)}>Show all {num(own.length)}</button></p>}
      </div>
    </details>
  );
}
