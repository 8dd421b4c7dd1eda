/** What opens over the page: a press or the focus elsewhere closes it, and Escape, which gives the focus back. */
import type { RefObject } from 'preact';
import { useEffect, useState } from 'preact/hooks';

export function usePop(box: RefObject<HTMLElement | null>): { open: boolean; setOpen: (on: boolean) => void } {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (!open) return;
    const away = (e: Event): void => { if (!box.current?.contains(e.target as Node)) setOpen(false); };
    const esc = (e: KeyboardEvent): void => { if (e.key === 'Escape') { e.preventDefault(); setOpen(false); box.current?.querySelector('button')?.focus(); } };
    const all: [string, (e: never) => void][] = [['pointerdown', away], ['focusin', away], ['keydown', esc]];
    for (const [type, f] of all) document.addEventListener(type, f as EventListener);
    return () => { for (const [type, f] of all) document.removeEventListener(type, f as EventListener); };
  }, [open]);
  return { open, setOpen };
}
