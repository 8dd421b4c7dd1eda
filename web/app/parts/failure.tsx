import { useState } from 'preact/hooks';
import { dur, plural, visible, visibleText } from '../../core/fmt';
import { exampleFace, isProjectLine } from '../../core/state';
import type { Artifact, Example } from '../../core/types';
import { Kept } from './artifacts';
import { Copy, Glyph } from './basics';

export const titleOf = (x: Example): string => (x.path.length ? x.path.map(visible).join(' › ') : 'Outside of examples');

/** Lines of a diff or of expected/got get their colour; everything is text. */
function Message({ text, of }: { text: string; of: string }) {
  const lines = visibleText(text).split('\n');
  const tone = (l: string): string => (/^\s*(\+|got:)/.test(l) ? 'd-got' : /^\s*(-(?!-)|expected:?\s)/.test(l) ? 'd-exp' : '');
  return <pre class="message" tabIndex={0} role="group" aria-label={`Message of ${of}`}>{lines.map((l, i) => <span class={tone(l)}>{l}{i < lines.length - 1 ? '\n' : ''}</span>)}</pre>;
}
function Backtrace({ lines }: { lines: string[] }) {
  const [all, setAll] = useState(false);
  if (!lines.length) return null;
  const own = lines.filter(isProjectLine), shown = all || !own.length ? lines : own, hidden = lines.length - shown.length;
  return (
    <div class="trace">
      <ol>{shown.map((l) => <li class={isProjectLine(l) ? 'own' : ''}>{visible(l)}</li>)}</ol>
      {(hidden > 0 || all) && own.length < lines.length && own.length > 0 &&
        <button type="button" class="btn ghost small" onClick={() => setAll(!all)}>{all ? 'Only lines of the project' : `Show all ${plural(lines.length, 'line')}`}</button>}
    </div>
  );
}
const report = (x: Example): string => [`**${titleOf(x)}**`, x.file && `\`${x.file}${x.line ? `:${x.line}` : ''}\``, '```', x.exception, x.message, '```',
  ...(x.backtrace ?? []).filter(isProjectLine).slice(0, 10).map((l) => `    ${l}`), `${location.origin}/runs/${x.run}#ex-${x.seq}`].filter(Boolean).join('\n');

/** One failed example: where, what, and the way to its run. */
export function Failure({ x, open, where, level = 2, current = false, kept = [] }: { x: Example; open: boolean; where?: string; level?: 2 | 3; current?: boolean; kept?: Artifact[] }) {
  const H = `h${level}` as 'h2';
  const place = x.file ? `${x.file}${x.line ? `:${x.line}` : ''}` : where ?? '';
  return (
    <article class="failure" id={`ex-${x.run}-${x.seq}`} data-current={current ? '' : undefined} tabIndex={-1}>
      <details open={open}>
        <summary>
          <Glyph face={exampleFace(x.status)} label />
          <H>{titleOf(x)}</H>
          <span class="aside num">{x.duration_ms !== null && x.status !== 'error' && dur(x.duration_ms)}</span>
          <span class="place">{visible(place)}</span>
        </summary>
        <div class="body">
          {x.exception && <p class="exception">{visible(x.exception)}</p>}
          {x.message && <Message text={x.message} of={titleOf(x)} />}
          <Backtrace lines={x.backtrace ?? []} />
          {(/^https?:/.test(x.page_url ?? '') || /^https?:/.test(x.screenshot ?? '')) && <p class="place">{/^https?:/.test(x.page_url ?? '') && <>Page <a href={x.page_url!} target="_blank" rel="noopener noreferrer">{visible(x.page_url!)}</a></>} {/^https?:/.test(x.screenshot ?? '') && <a href={x.screenshot!} target="_blank" rel="noopener noreferrer">Screenshot</a>}</p>}
          <Kept items={kept} />
          <p class="acts">
            {where !== undefined && <a class="btn small" href={`/runs/${x.run}#ex-${x.seq}`}>Open the run</a>}
            {where !== undefined && <a class="btn ghost small" href={`/runs/${x.run}?tab=log`}>Log</a>}
            <Copy text={() => report(x)} what="for a bug report" framed={where === undefined} />
            {where === undefined && <a class="btn ghost small" href={`/runs/${x.run}#ex-${x.seq}`} title="The address of this example">Link</a>}
          </p>
        </div>
      </details>
    </article>
  );
}
