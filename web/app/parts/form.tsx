/** Forms: what is typed stays in the fields, what is wrong stands at its field and in one summary above them. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { visible } from '../../core/fmt';
import { ApiError, asError } from '../api';
import { secondsTo } from './basics';

export type Values = Record<string, string>;
export interface FormState {
  busy: boolean; error: ApiError | null; wrong: Values; done: string;
  ref: { current: HTMLFormElement | null }; onSubmit: (e: Event) => void; say: (done: string) => void; clear: () => void;
}
const MAX = 4;

/**
 * `send` gets the trimmed texts of the fields (passwords as they are). What it throws is shown; an error of the server that
 * names a field is shown at that field. `check` may find something wrong before anything is sent: by field, a sentence.
 */
export function useForm(send: (v: Values) => Promise<string | void>, check?: (v: Values) => Values): FormState {
  const [busy, setBusy] = useState(false), [error, setError] = useState<ApiError | null>(null), [wrong, setWrong] = useState<Values>({}), [done, setDone] = useState('');
  const ref = useRef<HTMLFormElement>(null), alive = useRef(true);
  useEffect(() => { alive.current = true; return () => { alive.current = false; }; }, []);
  useEffect(() => { if (error || Object.keys(wrong).length) ref.current?.querySelector<HTMLElement>('.problem')?.focus(); }, [error, wrong]);
  const onSubmit = async (e: Event): Promise<void> => {
    e.preventDefault();
    const form = ref.current!;
    if (busy || (error && secondsTo(error.until) > 0)) return;
    const v: Values = {}, bad: Values = {};
    for (const el of form.elements) {
      if (!(el instanceof HTMLInputElement || el instanceof HTMLSelectElement || el instanceof HTMLTextAreaElement) || !el.name) continue;
      const text = el instanceof HTMLInputElement && el.type === 'checkbox' ? (el.checked ? 'yes' : '') : el.dataset.secret !== undefined ? el.value : el.value.trim();
      v[el.name] = text;
      if (el.required && !text) bad[el.name] = 'Fill this in.';
    }
    for (const [k, text] of Object.entries(check?.(v) ?? {})) bad[k] ??= text;
    setDone(''); setError(null); setWrong(bad);
    if (Object.keys(bad).length) return;
    setBusy(true);
    try { const text = await send(v); if (alive.current) setDone(text ?? ''); }
    catch (x) {
      const err = asError(x);
      if (!alive.current) return;
      if (err.field && form.elements.namedItem(err.field)) setWrong({ [err.field]: err.message.replace(`${err.field}: `, '') }); else setError(err);
    } finally { if (alive.current) setBusy(false); }
  };
  return { busy, error, wrong, done, ref, onSubmit: (e) => void onSubmit(e), say: setDone, clear: () => { setError(null); setWrong({}); } };
}

/** The summary: each line leads to its field. */
function Problem({ f }: { f: FormState }) {
  const names = Object.keys(f.wrong);
  if (!f.error && !names.length) return null;
  const wait = f.error ? secondsTo(f.error.until) : 0;
  const label = (n: string): string => (f.ref.current?.elements.namedItem(n) as HTMLInputElement | null)?.labels?.[0]?.textContent ?? n;
  const to = (n: string): void => (f.ref.current?.elements.namedItem(n) as HTMLElement | null)?.focus();
  return (
    <div class="note bad problem" role="alert" tabIndex={-1}>
      {f.error && <p>{visible(f.error.message)}{wait > 0 && <> <b class="num" aria-live="off">Try again in {wait} s.</b></>}</p>}
      {names.length > 0 && <ul>{names.slice(0, MAX).map((n) => <li key={n}><button type="button" class="asin" onClick={() => to(n)}>{label(n)}</button>: {visible(f.wrong[n])}</li>)}</ul>}
      {f.error?.request && f.error.status >= 500 && <p class="faint">Request {f.error.request}</p>}
    </div>
  );
}
export function Form({ f, label, children, submit, busy = 'One moment…', danger = false, primary = true, extra, onInput }: {
  f: FormState; label: string; children: ComponentChildren; submit: string; busy?: string; danger?: boolean; primary?: boolean; extra?: ComponentChildren; onInput?: (e: Event) => void;
}) {
  const wait = f.error ? secondsTo(f.error.until) : 0;
  return (
    <form class="form" ref={f.ref} onSubmit={f.onSubmit} onInput={onInput} noValidate aria-label={label}>
      <Problem f={f} />
      {children}
      <p class="acts">
        <button type="submit" class={`btn ${danger ? 'danger' : primary ? 'primary' : ''}`} disabled={wait > 0} aria-disabled={f.busy}>{f.busy ? busy : wait > 0 ? `Wait ${wait} s` : submit}</button>
        {extra}
        <span class="t-pass" role="status">{f.done}</span>
      </p>
    </form>
  );
}

interface FieldProps {
  f: FormState; name: string; label: string; type?: 'text' | 'password' | 'email'; value?: string; hint?: ComponentChildren; required?: boolean;
  complete?: string; focus?: boolean; max?: number; readOnly?: boolean; placeholder?: string; code?: boolean; list?: string;
}
export function Field({ f, name, label, type = 'text', value = '', hint, required, complete = 'off', focus, max = 200, readOnly, placeholder, code, list }: FieldProps) {
  const id = useId(), el = useRef<HTMLInputElement>(null), [shown, setShown] = useState(false), [caps, setCaps] = useState(false);
  const secret = type === 'password', kind = { type: secret && shown ? 'text' : type } as { type: 'text' }, error = f.wrong[name], said = [hint && `${id}h`, error && `${id}e`, caps && `${id}c`].filter(Boolean).join(' ');
  // At once, since who sees a field types; a dialog, which opens after its fields are there, goes by the attribute.
  useLayoutEffect(() => { if (focus) el.current?.focus({ preventScroll: true }); }, []);
  useEffect(() => { if (el.current && el.current !== document.activeElement) el.current.value = value; }, [value]);
  return (
    <div class="field" data-wrong={error ? '' : undefined}>
      <label for={id}>{label}</label>
      <span class="input">
        <input ref={el} id={id} name={name} autoFocus={focus} {...kind} defaultValue={value} required={required} maxLength={max} readOnly={readOnly} list={list}
          autoComplete={complete} autoCapitalize="none" spellcheck={false} placeholder={placeholder} data-secret={secret ? '' : undefined} class={code ? 'code' : undefined}
          aria-invalid={error ? 'true' : undefined} aria-describedby={said || undefined} onKeyUp={secret ? (e) => setCaps(e.getModifierState?.('CapsLock') ?? false) : undefined} />
        {secret && <button type="button" class="btn" aria-pressed={shown} aria-label={`Show ${label.toLowerCase()}`} onClick={() => setShown(!shown)}>{shown ? 'Hide' : 'Show'}</button>}
      </span>
      {hint && <p class="hint" id={`${id}h`}>{hint}</p>}
      {caps && <p class="hint t-pend" id={`${id}c`}>Caps Lock is on.</p>}
      {error && <p class="wrong" id={`${id}e`}>{visible(error)}</p>}
    </div>
  );
}
export function Select({ f, name, label, options, value, hint }: { f: FormState; name: string; label: string; options: [value: string, text: string][]; value: string; hint?: ComponentChildren }) {
  const id = useId();
  return (
    <div class="field" data-wrong={f.wrong[name] ? '' : undefined}>
      <label for={id}>{label}</label>
      <select id={id} name={name} aria-describedby={hint ? `${id}h` : undefined} aria-invalid={f.wrong[name] ? 'true' : undefined}>{options.map(([v, text]) => <option key={v} value={v} selected={v === value}>{text}</option>)}</select>
      {hint && <p class="hint" id={`${id}h`}>{hint}</p>}
      {f.wrong[name] && <p class="wrong">{visible(f.wrong[name])}</p>}
    </div>
  );
}
export function Check({ name, label, on = false }: { name: string; label: string; on?: boolean }) {
  return <label class="check"><input type="checkbox" name={name} defaultChecked={on} />{label}</label>;
}

/** What a password must be, in the server's number. */
export const passwordHint = (min: number): string => `At least ${min} characters; not the login, and none of the common ones. A sentence is fine.`;
export function checkPassword(min: number, login = ''): (v: Values) => Values {
  return (v) => {
    const out: Values = {}, p = v.password ?? '', size = new TextEncoder().encode(p).length, name = v.login ?? login;
    if (p && size < min) out.password = `It has ${size} characters, and ${min} are the least.`;
    else if (p && name && p.toLowerCase() === name.toLowerCase()) out.password = 'It is the login.';
    if (v.again !== undefined && v.again !== p) out.again = 'It is not the same as above.';
    return out;
  };
}

/** A button that does one thing over HTTP: busy while it is under way, the reason beside it when it fails. */
export function Act({ run, children, danger = false, primary = false, small = false, label, disabled = false }: {
  run: () => Promise<unknown>; children: ComponentChildren; danger?: boolean; primary?: boolean; small?: boolean; label?: string; disabled?: boolean;
}) {
  const [busy, setBusy] = useState(false), [error, setError] = useState<ApiError | null>(null), alive = useRef(true);
  useEffect(() => { alive.current = true; return () => { alive.current = false; }; }, []);
  const wait = error ? secondsTo(error.until) : 0;
  const go = async (): Promise<void> => {
    setBusy(true); setError(null);
    try { await run(); } catch (e) { if (alive.current) setError(asError(e)); }
    if (alive.current) setBusy(false);
  };
  return (
    <>
      <button type="button" class={`btn ${danger ? 'danger' : ''} ${primary ? 'primary' : ''} ${small ? 'small' : ''}`} disabled={disabled || wait > 0} aria-disabled={busy} aria-label={label} onClick={() => busy || void go()}>{wait > 0 ? `Wait ${wait} s` : children}</button>
      {error && <span class="t-fail" role="alert">{visible(error.message)}</span>}
    </>
  );
}
