/** What starts a launch by one press: a list, a schedule, what failed of a launch, all of it, or some runs. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { num, plural, visible } from '../../core/fmt';
import type { Launch } from '../../core/types';
import { asError, post, type ApiError } from '../api';
import { say } from '../nav';
import { secondsTo } from './basics';

/** What it became stands beside the button, and has the focus when nothing else got it meanwhile. `run` is told whether Shift was held. */
export function Starts({ run, children, kind = '', label, title, disabled }: { run: (front: boolean) => Promise<Launch>; children: ComponentChildren; kind?: string; label?: string; title?: string; disabled?: boolean }) {
  const [busy, setBusy] = useState(false), [made, setMade] = useState<Launch | null>(null), [error, setError] = useState<ApiError | null>(null), button = useRef<HTMLButtonElement>(null), link = useRef<HTMLAnchorElement>(null);
  useEffect(() => { if (document.activeElement === button.current) link.current?.focus(); }, [made]);
  const wait = error ? secondsTo(error.until) : 0;
  const go = async (front: boolean): Promise<void> => {
    if (busy) return;
    setBusy(true); setError(null); setMade(null);
    try { const x = await run(front); setMade(x); say(`Launch ${x.id} started, ${plural(x.tests.total, 'test')}`); } catch (e) { setError(asError(e)); }
    setBusy(false);
  };
  return (
    <>
      <button ref={button} type="button" class={`btn ${kind}`} disabled={disabled || wait > 0} aria-disabled={busy} aria-label={busy || wait > 0 ? undefined : label} title={title} onClick={(e) => void go(e.shiftKey)}>{busy ? 'Starting…' : wait > 0 ? `Wait ${wait} s` : children}</button>
      {made && <span class="said" role="status">{plural(made.tests.total, 'test')} started. <a ref={link} href={`/launches/${made.id}`}>Watch #{made.id}</a></span>}
      {error && <span class="said t-fail" role="alert">{visible(error.message)}</span>}
    </>
  );
}
/** `failed`: the files that did not pass; `examples`: of those only what failed in them. */
export const Retest = ({ launch, runs, failed, examples, kind }: { launch?: number; runs?: readonly number[]; failed?: number; examples?: number; kind?: string }) =>
  <Starts kind={kind} run={() => (runs ? post<Launch>('/runs/retest', { runs }) : post<Launch>(`/launches/${launch}/retest`, { what: examples ? 'failed_examples' : failed ? 'failed' : 'all' }))}>
    {runs ? runs.length === 1 ? 'Run again' : `Run again ${plural(runs.length, 'file')}` : examples ? `Only failed examples ${num(examples)}` : failed ? `Run failed again ${num(failed)}` : 'Run all again'}</Starts>;
