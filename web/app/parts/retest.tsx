/** Run again: what failed of a launch, all of it, or some runs; what it became stands beside the button. */
import { useState } from 'preact/hooks';
import { num, plural, visible } from '../../core/fmt';
import type { Launch } from '../../core/types';
import { asError, post, type ApiError } from '../api';
import { say } from '../nav';

export function Retest({ launch, runs, failed, small = false, primary = false }: { launch?: number; runs?: readonly number[]; failed?: number; small?: boolean; primary?: boolean }) {
  const [busy, setBusy] = useState(false), [made, setMade] = useState<Launch | null>(null), [error, setError] = useState<ApiError | null>(null);
  const go = async (): Promise<void> => {
    setBusy(true); setError(null); setMade(null);
    try {
      const l = await (runs ? post<Launch>('/runs/retest', { runs }) : post<Launch>(`/launches/${launch}/retest`, { what: failed ? 'failed' : 'all' }));
      setMade(l); say(`Launch ${l.id} started, ${plural(l.tests.total, 'test')}`);
    } catch (e) { setError(asError(e)); }
    setBusy(false);
  };
  return (
    <>
      <button type="button" class={`btn ${small ? 'small' : ''} ${primary ? 'primary' : ''}`} disabled={busy} onClick={() => void go()}>{busy ? 'Starting…' : runs ? runs.length === 1 ? 'Run again' : `Run again ${plural(runs.length, 'file')}` : failed ? `Run failed again ${num(failed)}` : 'Run all again'}</button>
      {made && <span class="said" role="status"><a href={`/launches/${made.id}`}>Watch #{made.id}</a></span>}
      {error && <span class="said t-fail" role="alert">{visible(error.message)}</span>}
    </>
  );
}
