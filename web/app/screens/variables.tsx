/** A user's own variables. A secret's value goes to the server and never comes back. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { parseEnv, toDraft, toLine, wrongDraft, type Draft } from '../../core/account';
import { plural, visible } from '../../core/fmt';
import type { EnvLine } from '../../core/types';
import { asError, post, type ApiError } from '../api';
import { Dialog, Failed, Skeleton } from '../parts/basics';
import { useLoad } from '../parts/useload';
import { Card } from './account';

let keys = 0;
const fresh = (name = '', value = ''): Draft => ({ key: ++keys, name, value, secret: /SECRET|TOKEN|PASSWORD|_KEY$/i.test(name), had: false });
const drafts = (lines: EnvLine[]): Draft[] => lines.map((l) => toDraft(l, ++keys));

export function Variables() {
  const l = useLoad<EnvLine[]>('/env');
  if (l.error && !l.data) return <Failed error={l.error} what="Your variables" retry={l.load} />;
  return l.data ? <Edit lines={l.data} /> : <Skeleton rows={3} />;
}
function Edit({ lines }: { lines: EnvLine[] }) {
  const [all, setAll] = useState(() => drafts(lines)), [saved, setSaved] = useState(() => JSON.stringify(drafts(lines).map(toLine)));
  const [busy, setBusy] = useState(false), [done, setDone] = useState(''), [error, setError] = useState<ApiError | null>(null), [wrong, setWrong] = useState<{ key: number; text: string } | null>(null), [pasting, setPasting] = useState(false);
  const focus = useRef(0), box = useRef<HTMLFormElement>(null);
  useLayoutEffect(() => { if (focus.current) { box.current?.querySelector<HTMLElement>(`[data-key="${focus.current}"] input`)?.focus(); focus.current = 0; } });
  const set = (key: number, change: Partial<Draft>): void => { setDone(''); setAll(all.map((d) => (d.key === key ? { ...d, ...change } : d))); };
  const dirty = JSON.stringify(all.map(toLine)) !== saved;
  useEffect(() => {
    if (!dirty) return;
    const stay = (e: BeforeUnloadEvent): void => e.preventDefault();
    addEventListener('beforeunload', stay);
    return () => removeEventListener('beforeunload', stay);
  }, [dirty]);
  const save = async (e: Event): Promise<void> => {
    e.preventDefault();
    const bad = wrongDraft(all);
    setWrong(bad); setError(null); setDone('');
    if (bad) { box.current?.querySelector<HTMLElement>(`[data-key="${bad.key}"] input`)?.focus(); return; }
    setBusy(true);
    try {
      const next = drafts(await post<EnvLine[]>('/env', { lines: all.map(toLine) }));
      setAll(next); setSaved(JSON.stringify(next.map(toLine))); setDone('Saved. Runs that start from now on have them.');
    } catch (x) {
      const err = asError(x), at = /^lines\[(\d+)\](?:\.\w+)?: /.exec(err.message), row = at && all[Number(at[1])];
      if (row) setWrong({ key: row.key, text: err.message.slice(at[0].length) }); else setError(err);
    }
    setBusy(false);
  };
  const add = (more: Draft[]): void => { const names = new Set(more.map((d) => d.name)); setDone(''); setAll([...all.filter((d) => !d.name || !names.has(d.name)), ...more]); };
  return (
    <Card title={plural(all.length, 'variable')}>
      <p class="faint">Every run you start has them in its environment. A secret is kept encrypted, is left out of logs, and cannot be read again, not even by you.</p>
      <form class="form" ref={box} onSubmit={(e) => void save(e)} noValidate aria-label="Variables">
        {error && <div class="note bad" role="alert">{visible(error.message)}</div>}
        <ul class="env">
          {all.map((d, i) => {
            const id = d.name ? visible(d.name) : `variable ${i + 1}`, bad = wrong?.key === d.key ? wrong.text : '';
            return (
              <li key={d.key} data-key={d.key}>
                <input class="code" aria-label={`Name of variable ${i + 1}`} value={d.name} placeholder="NAME" maxLength={256} spellcheck={false} autoComplete="off" autoCapitalize="none" aria-invalid={bad ? 'true' : undefined} aria-describedby={bad ? `env${d.key}` : undefined} onInput={(e) => set(d.key, { name: e.currentTarget.value })} />
                {!d.secret && d.value.includes('\n')
                  ? <textarea class="code" rows={2} aria-label={`Value of ${id}`} value={d.value} maxLength={32768} spellcheck={false} onInput={(e) => set(d.key, { value: e.currentTarget.value })} />
                  : <input class="code" aria-label={`Value of ${id}`} {...{ type: d.secret ? 'password' : 'text' } as { type: 'text' }} value={d.value} placeholder={d.secret && d.had ? 'set – type to replace it' : 'value'} maxLength={32768} spellcheck={false} autoComplete="off" autoCapitalize="none" onInput={(e) => set(d.key, { value: e.currentTarget.value })} />}
                <label class="check"><input type="checkbox" checked={d.secret} aria-label={`${id} is a secret`} onChange={(e) => set(d.key, { secret: e.currentTarget.checked })} />secret</label>
                <button type="button" class="btn small" aria-label={`Remove ${id}`} onClick={() => { setDone(''); setAll(all.filter((x) => x.key !== d.key)); }}>Remove</button>
                {bad && <p class="wrong" id={`env${d.key}`} role="alert">{visible(bad)}</p>}
              </li>
            );
          })}
        </ul>
        {all.length === 0 && <p class="faint">None yet.</p>}
        <p class="acts">
          <button type="submit" class="btn primary" disabled={busy || !dirty}>{busy ? 'Saving…' : 'Save'}</button>
          <button type="button" class="btn" onClick={() => { const d = fresh(); focus.current = d.key; setAll([...all, d]); }}>Add a variable</button>
          <button type="button" class="btn" onClick={() => setPasting(true)}>Paste lines</button>
          <span class="t-pass" role="status">{done}</span>
        </p>
      </form>
      <Dialog title="Paste NAME=value lines" open={pasting} close={() => setPasting(false)}><Paste take={(m) => { add(m.map((x) => fresh(x.name, x.value))); setPasting(false); }} close={() => setPasting(false)} /></Dialog>
    </Card>
  );
}
function Paste({ take, close }: { take: (m: { name: string; value: string }[]) => void; close: () => void }) {
  const [text, setText] = useState(''), found = parseEnv(text);
  return (
    <>
      <textarea class="code" rows={8} autoFocus aria-label="Lines of an .env file" value={text} maxLength={1 << 20} spellcheck={false} onInput={(e) => setText(e.currentTarget.value)} />
      <p class="faint">{plural(found.length, 'variable')} found. Names with SECRET, TOKEN, PASSWORD or KEY become secrets. Nothing is saved until you press Save.</p>
      <p class="acts"><button type="button" class="btn" onClick={close}>Cancel</button><button type="button" class="btn primary" disabled={!found.length} onClick={() => take(found)}>Add them</button></p>
    </>
  );
}
