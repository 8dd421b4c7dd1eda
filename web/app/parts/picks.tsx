/** Several of a list, in an order that counts: what is chosen stands as a row of chips, the rest in a list to add from. */
import { useId, useRef } from 'preact/hooks';
import { visible } from '../../core/fmt';
import { say } from '../nav';

export function Picks({ name, label, one, all, picked, set, preset, error }: {
  name: string; label: string; one: string; all: readonly string[]; picked: readonly string[]; set: (next: string[]) => void; preset: string; error?: string;
}) {
  const id = useId(), box = useRef<HTMLDivElement>(null), rest = all.filter((a) => !picked.includes(a));
  const move = (i: number, d: number): void => {
    const next = [...picked], [x] = next.splice(i, 1);
    next.splice(i + d, 0, x);
    set(next);
    say(`${x} is number ${i + d + 1} of ${next.length}`);
    requestAnimationFrame(() => box.current?.querySelectorAll<HTMLElement>('.chip')[i + d]?.querySelector<HTMLElement>('.way')?.focus());
  };
  const drop = (i: number): void => {
    set(picked.filter((_, k) => k !== i));
    requestAnimationFrame(() => (box.current?.querySelectorAll<HTMLElement>('.chip .x')[Math.min(i, picked.length - 2)] ?? box.current?.querySelector('select'))?.focus());
  };
  return (
    <div class="field picks" data-field={name} data-wrong={error ? '' : undefined} ref={box}>
      <label for={id}>{label}</label>
      <span class="chips">
        {picked.map((p, i) => (
          <span class="chip" key={p}>
            {picked.length > 1 && <button type="button" class="way" aria-label={`Move ${visible(p)}, number ${i + 1}, ${i ? 'forward' : 'back'}`} title={i ? 'Earlier' : 'Later'} onClick={() => move(i, i ? -1 : 1)}>{i ? '‹' : '›'}</button>}
            <span>{visible(p)}</span>
            <button type="button" class="x" aria-label={`Remove ${visible(p)}`} onClick={() => drop(i)}>×</button>
          </span>
        ))}
        {!picked.length && <span class="chip ghost">{visible(preset)}</span>}
        <select id={id} value="" disabled={!rest.length} aria-describedby={error ? `${id}e` : undefined} aria-invalid={error ? 'true' : undefined}
          onChange={(e) => { const v = e.currentTarget.value; e.currentTarget.value = ''; if (v === '\u0000all') set([...picked, ...rest]); else if (v) set([...picked, v]); }}>
          <option value="">{rest.length ? `Add a ${one}…` : `No other ${one}`}</option>
          {rest.map((r) => <option key={r} value={r}>{visible(r)}</option>)}
          {rest.length > 1 && <option value={'\u0000all'}>All {all.length}</option>}
        </select>
      </span>
      {error && <p class="wrong" id={`${id}e`}>{visible(error)}</p>}
    </div>
  );
}
