import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ago, elapsed, exact, num, visible } from '../../core/fmt';
import { bad, barVars, type Face } from '../../core/state';
import type { ExampleCounts, TestCounts } from '../../core/types';
import type { ApiError } from '../api';
import { now, useComing, useTitle } from '../nav';

export function Glyph({ face, label = false }: { face: Face; label?: boolean }) {
  return (
    <svg class={`glyph t-${face.tone}`} viewBox="0 0 14 14" role={label ? 'img' : undefined} aria-label={label ? face.word : undefined}
      aria-hidden={label ? undefined : 'true'}><path d={face.shape} /></svg>
  );
}
export function Badge({ face }: { face: Face }) {
  return <span class={`badge t-${face.tone}`}><Glyph face={face} />{face.word}</span>;
}

/** Failed, pending, passed, rest. A picture only: its owner says the numbers. */
export function Bar({ pass, pend, fail, total, big = false }: { pass: number; pend: number; fail: number; total: number; big?: boolean }) {
  return <span class={big ? 'bar big' : 'bar'} aria-hidden="true" style={barVars(pass, pend, fail, total)} />;
}
export const TestBar = ({ t, big }: { t: TestCounts; big?: boolean }) => <Bar pass={t.passed} pend={t.stopped} fail={bad(t)} total={t.total} big={big} />;
export const ExampleBar = ({ e, big }: { e: ExampleCounts; big?: boolean }) =>
  <Bar pass={e.passed} pend={e.pending} fail={e.failed + e.errors} total={Math.max(e.discovered, e.passed + e.pending + e.failed + e.errors)} big={big} />;

export function Kpi({ n, of, label, tone = '' }: { n: number | string; of?: number; label: string; tone?: string }) {
  return (
    <div class={`kpi ${tone}`}>
      <dd>{typeof n === 'number' ? num(n) : n}{of !== undefined && <small> of {num(of)}</small>}</dd>
      <dt>{label}</dt>
    </div>
  );
}

export const Ago = ({ at }: { at: string | null }) => <time dateTime={at ?? undefined} title={exact(at)}>{ago(at, now.value)}</time>;
export const Elapsed = ({ from }: { from: string | null }) => <span class="num">{from ? elapsed(now.value - Date.parse(from)) : '–'}</span>;

/** The clipboard of today exists over HTTPS and on this computer only; a page on a plain address uses the old way. */
async function put(text: string): Promise<void> {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  area.className = 'sr';
  document.body.append(area);
  area.select();
  const done = document.execCommand('copy');
  area.remove();
  if (!done) throw new Error('the browser refused');
}
export function Copy({ text, what, framed = false }: { text: () => string; what: string; framed?: boolean }) {
  const [said, setSaid] = useState('');
  useEffect(() => { if (!said) return; const t = setTimeout(() => setSaid(''), 2000); return () => clearTimeout(t); }, [said]);
  const copy = () => { put(text()).then(() => setSaid('Copied'), () => setSaid('Not allowed')); };
  return <button type="button" class={framed ? 'btn small' : 'btn ghost small'} onClick={copy} aria-label={said || `Copy ${what}`}>{said || 'Copy'}</button>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><h2>{title}</h2>{children && <p>{children}</p>}</div>;
}

/** What failed, the server's reason, and a way on. */
export function Failed({ error, what, retry }: { error: ApiError; what: string; retry: () => void }) {
  if (error.status === 404) return <Nothing text={error.message} />;
  if (error.status === 403) return <Denied text={error.message} />;
  return (
    <div class="empty" role="alert">
      <h1>{what} could not be loaded</h1>
      <p>{visible(error.message)}</p>
      {error.request && <p class="faint">Request {error.request}</p>}
      <p><Retry until={error.until} run={retry} /></p>
    </div>
  );
}
/** What could not be had while something is shown: it stays, with the reason and a way on. */
export const Trouble = ({ error, retry, before = '', after = '' }: { error: ApiError; retry: () => unknown; before?: string; after?: string }) =>
  <p class="note bad" role="alert">{before && `${before}: `}{visible(error.message)} {after} <button type="button" class="btn small" onClick={() => void retry()}>Try again</button></p>;
/** The next page of a list that is read on request. */
export const More = ({ l }: { l: { more: boolean; busy: boolean; next: () => unknown } }) =>
  l.more ? <p class="acts middle"><button type="button" class="btn" aria-disabled={l.busy} onClick={() => l.busy || void l.next()}>{l.busy ? 'Loading…' : 'Show more'}</button></p> : null;
/** A way on that waits as long as the server asked for. */
function Retry({ until, run }: { until: number; run: () => void }) {
  const wait = secondsTo(until);
  return <button type="button" class="btn" disabled={wait > 0} onClick={run}>{wait > 0 ? `Try again in ${wait} s` : 'Try again'}</button>;
}
export const secondsTo = (until: number): number => (until ? Math.max(0, Math.ceil((until - now.value) / 1000)) : 0);
export function Denied({ text }: { text?: string }) {
  useTitle('No permission');
  return (
    <div class="empty" role="alert">
      <h1>You may not see this</h1>
      <p>{visible(text ?? 'This is for admins.')}</p>
      <p class="faint">An admin can give you the right to.</p>
      <p><a class="btn" href="/">Go to the board</a></p>
    </div>
  );
}
export function Nothing({ text }: { text?: string }) {
  return (
    <div class="empty">
      <h1>Nothing at {location.pathname}</h1>
      <p>{text ?? 'There is no such page.'} It may have been deleted.</p>
      <p><a class="btn" href="/">Go to the board</a></p>
    </div>
  );
}
/** Grey shapes where the content will be; shown only when loading takes longer than a moment. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  useComing();
  return <div class="skeleton" role="status" aria-label="Loading">{Array.from({ length: rows }, () => <i />)}</div>;
}

export function Dialog({ title, open, close, children }: { title: string; open: boolean; close: () => void; children: ComponentChildren }) {
  const el = useRef<HTMLDialogElement>(null), id = useId();
  useLayoutEffect(() => { const d = el.current!; if (open && !d.open) d.showModal(); else if (!open && d.open) d.close(); }, [open]);
  return (
    <dialog ref={el} onClose={close} aria-labelledby={id} onClick={(e) => { if (e.target === el.current) close(); }}>
      <div class="dialog"><h2 id={id}>{title}</h2>{open && children}</div>
    </dialog>
  );
}

export function Tabs({ tabs, at, pick }: { tabs: [id: string, text: string, n?: number][]; at: string; pick: (id: string) => void }) {
  const step = (e: KeyboardEvent, i: number) => {
    const d = e.key === 'ArrowRight' ? 1 : e.key === 'ArrowLeft' ? -1 : 0;
    if (!d) return;
    e.preventDefault();
    const next = tabs[(i + d + tabs.length) % tabs.length][0];
    pick(next);
    document.getElementById(`tab-${next}`)?.focus();
  };
  return (
    <div class="tabs" role="tablist">
      {tabs.map(([id, text, n], i) => (
        <button type="button" role="tab" id={`tab-${id}`} aria-selected={at === id} aria-controls={`panel-${id}`} tabIndex={at === id ? 0 : -1}
          onClick={() => pick(id)} onKeyDown={(e) => step(e, i)}>{text}{n !== undefined && <span class="n">{num(n)}</span>}</button>
      ))}
    </div>
  );
}
