/** A button with a list of actions below it: closed by Escape, by a press elsewhere, and by what is chosen. */
import type { ComponentChildren } from 'preact';
import { useId, useRef } from 'preact/hooks';
import { usePop } from './usepop';

export function Menu({ label, children, small = false }: { label: string; children: ComponentChildren; small?: boolean }) {
  const id = useId(), box = useRef<HTMLDivElement>(null), { open, setOpen } = usePop(box);
  return (
    <div class="menu" ref={box}>
      <button type="button" class={small ? 'btn small' : 'btn'} aria-expanded={open} aria-controls={id} onClick={() => setOpen(!open)}>{label} <span aria-hidden="true">▾</span></button>
      <ul class="pop" id={id} hidden={!open} onClick={(e) => { if ((e.target as Element).closest('a, button')) setOpen(false); }}>{children}</ul>
    </div>
  );
}
