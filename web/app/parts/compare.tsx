/** What is different from a launch before: new failures, known ones, what works again, what cannot decide. */
import { useState } from 'preact/hooks';
import { num, plural, visible } from '../../core/fmt';
import type { Compared, Comparison, What } from '../../core/types';
import { setQuery, url } from '../nav';
import { Ago, Empty, Failed, More, Skeleton } from './basics';
import { useLoad, usePages } from './useload';

const WHAT: [What, string, string][] = [['new', 'New', 'Failed here and not there.'], ['known', 'Known', 'Failed in both.'], ['fixed', 'Fixed', 'Failed there and passed here.'], ['flaky', 'Flaky', 'Failed and passed with the same commit.'], ['gone', 'Gone', 'Was there, and did not run here.']];
export function Compare({ id }: { id: number }) {
  const at = url.value.searchParams, other = at.get('with') ?? '', base = `/launches/${id}/compare${other ? `?with=${encodeURIComponent(other)}` : ''}`;
  const head = useLoad<Comparison>(base), [typed, setTyped] = useState(other), what = (at.get('what') ?? WHAT.find(([k]) => head.data?.counts[k])?.[0] ?? 'new') as What;   // the first that there is
  const l = usePages<Compared>(head.data?.with ? `${base}${other ? '&' : '?'}what=${what}` : null, 100), c = head.data;
  if (head.error && !c) return <Failed error={head.error} what="The comparison" retry={head.load} />;
  if (!c) return <Skeleton rows={4} />;
  return (
    <>
      <form class="bar-of" onSubmit={(e) => { e.preventDefault(); setQuery('with', typed.replace(/\D/g, '')); }}>
        <span>{c.with ? <>Compared with <a href={`/launches/${c.with.id}`}>{visible(c.with.name || 'launch')} #{c.with.id}</a>, <Ago at={c.with.ended_at ?? c.with.created_at} />{c.why && <span class="faint"> · {visible(c.why)}</span>}</> : visible(c.why)}</span><span class="grow" />
        <input class="flt" aria-label="Number of the launch to compare with" placeholder="with launch…" value={typed} maxLength={16} inputMode="numeric" onInput={(e) => setTyped(e.currentTarget.value)} /><button class="btn">Compare</button>
      </form>
      {c.with && <div class="seg" role="group" aria-label="What changed">{WHAT.map(([k, text, hint]) => <button key={k} type="button" class="btn" aria-pressed={k === what} title={hint} onClick={() => setQuery('what', k)}>{text} <span class="num">{num(c.counts[k] ?? 0)}</span></button>)}</div>}
      {c.with && (l.error && !l.items ? <Failed error={l.error} what="The comparison" retry={l.load} /> : !l.items ? <Skeleton rows={4} /> : !l.items.length ? <Empty title={`${plural(0, 'example')} here`}>{WHAT.find((w) => w[0] === what)?.[2]}</Empty> : (
        <ul class="rows compared">{l.items.filter((x) => x.what === what).map((x) => (
          <li key={`${x.run}.${x.seq}.${x.description}`}><span class="what"><b>{visible(x.description)}</b><p class="faint">{visible(x.path)}</p></span>
            {x.run ? <a href={`/runs/${x.run}${x.seq ? `#ex-${x.seq}` : ''}`}>here</a> : null}{x.before ? <a href={`/runs/${x.before.run}`}>before</a> : null}</li>))}</ul>))}
      {c.with && <More l={l} />}
    </>
  );
}
