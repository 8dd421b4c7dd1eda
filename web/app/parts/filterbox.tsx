/** The filter of a screen: what is typed is in the address, `/` leads into it, Escape out, Enter to what was found. */
import { useRef } from 'preact/hooks';
import { parseFilter, type Filter } from '../../core/filter';
import { setQuery, url, useKey } from '../nav';

/** What the box of this screen says now. */
export function useFilter(known: readonly string[]): { q: string; f: Filter } {
  const q = url.value.searchParams.get('q') ?? '';
  return { q, f: parseFilter(q, known) };
}
/** `what`: what is filtered, as in "Filter servers". `known`: the keys that mean something here. */
export function FilterBox({ what, hint, known, to = 'main .vlist', wide = false }: { what: string; hint: string; known?: readonly string[]; to?: string; wide?: boolean }) {
  const input = useRef<HTMLInputElement>(null), { q, f } = useFilter(known ?? []);
  useKey('/', `Filter ${what}`, () => input.current?.focus());
  return (
    <>
      <input ref={input} class={wide ? 'flt wide' : 'flt'} type="search" placeholder={hint} aria-label={`Filter ${what}`} value={q} maxLength={500} spellcheck={false} onInput={(e) => setQuery('q', e.currentTarget.value)}
        onKeyDown={(e) => {
          if (e.key === 'Escape') { setQuery('q', ''); e.currentTarget.blur(); }
          if (e.key === 'Enter') { e.preventDefault(); document.querySelector<HTMLElement>(to)?.focus(); }
        }} />
      {known && f.unknown.length > 0 && <span class="faint" role="status">Unknown filter {f.unknown.map((k) => <code key={k}>{k}:</code>)} – there {known.length > 1 ? 'are' : 'is'} {known.map((k, i) => <>{i ? ', ' : ''}<code key={k}>{k}:</code></>)}</span>}
    </>
  );
}
