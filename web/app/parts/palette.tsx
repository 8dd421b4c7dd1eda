/** Ctrl+K: to any page, launch, run, list or server by a few letters of it. What destroys is not here. */
import { useEffect, useRef, useState } from 'preact/hooks';
import { visible } from '../../core/fmt';
import { launchFace, runFace, type Face } from '../../core/state';
import type { Launch, List, Page, Run, Server } from '../../core/types';
import { get } from '../api';
import { go } from '../nav';
import { Dialog, Glyph } from './basics';
import { launchName } from '../screens/board';

interface Item { href: string; text: string; kind: string; face?: Face }
const PAGES: [string, string][] = [['/', 'Board'], ['/compose', 'Compose'], ['/runs', 'Runs'], ['/runs?q=state:failed+owner:me', 'My failed runs'], ['/launches', 'Launches'], ['/lists', 'Lists'], ['/schedules', 'Schedules'], ['/servers', 'Servers'], ['/servers?add', 'Add servers'],
  ['/account', 'My account'], ['/account/tokens', 'API tokens'], ['/account/variables', 'My variables'], ['/admin/users', 'Users'], ['/admin/projects', 'Projects'], ['/admin/locations', 'Locations'], ['/admin/fleets', 'Fleets'], ['/admin/hooks', 'Hooks'], ['/admin/mails', 'Mail'], ['/admin/jobs', 'Jobs'], ['/admin/audit', 'Audit log']];
/** Every letter in its order: "scd" finds Schedules; earlier and closer is better, 0 is none. */
export function score(text: string, typed: string): number {
  const t = text.toLowerCase();
  let at = -1, gaps = 0;
  for (const c of typed.toLowerCase().replace(/\s/g, '')) { const next = t.indexOf(c, at + 1); if (next < 0) return 0; gaps += next - at - 1; at = next; }
  return 1 / (1 + gaps);
}
async function find(q: string, signal: AbortSignal): Promise<Item[]> {
  const list = <T,>(path: string): Promise<T[]> => get<Page<T>>(path, signal).then((p) => p.items, () => []), e = encodeURIComponent(q);
  const [ls, rs, lists, servers] = await Promise.all([list<Launch>(`/launches?q=${e}&limit=5`), list<Run>(`/runs?path=${e}&limit=8`), list<List>('/lists?limit=200'), list<Server>('/servers?limit=500')]);
  const has = (name: string): boolean => name.toLowerCase().includes(q.toLowerCase());
  return [...ls.map((l) => ({ href: `/launches/${l.id}`, text: `${launchName(l)} #${l.id}`, kind: 'launch', face: launchFace(l) })), ...rs.map((r) => ({ href: `/runs/${r.id}`, text: `${visible(r.path)} #${r.id}`, kind: 'run', face: runFace(r) })),
    ...lists.filter((l) => has(l.name)).slice(0, 5).map((l) => ({ href: `/lists/${l.id}`, text: visible(l.name), kind: 'list' })), ...servers.filter((s) => has(s.name)).slice(0, 5).map((s) => ({ href: `/servers/${s.id}`, text: visible(s.name), kind: 'server' }))];
}
export function Palette({ open, close }: { open: boolean; close: () => void }) { return <Dialog title="Go to" open={open} close={close}><Inside close={close} /></Dialog>; }
function Inside({ close }: { close: () => void }) {
  const [q, setQ] = useState(''), [found, setFound] = useState<Item[]>([]), [at, setAt] = useState(0), input = useRef<HTMLInputElement>(null), t = q.trim();
  useEffect(() => { input.current?.focus(); }, []);
  useEffect(() => {
    setAt(0);
    if (t.length < 2) { setFound([]); return; }
    const ac = new AbortController(), timer = setTimeout(() => void find(t, ac.signal).then((all) => { if (!ac.signal.aborted) setFound(all); }), 150);
    return () => { clearTimeout(timer); ac.abort(); };
  }, [t]);
  const pages = PAGES.map(([href, text]): Item & { s: number } => ({ href, text, kind: 'page', s: score(text, t) })).filter((p) => p.s > 0).sort((a, b) => b.s - a.s).slice(0, t ? 5 : 20), all: Item[] = [...pages, ...found], here = Math.min(at, all.length - 1);
  const open = (i: Item): void => { close(); go(i.href); };
  const key = (e: KeyboardEvent): void => {
    if (e.key === 'ArrowDown') setAt((here + 1) % all.length); else if (e.key === 'ArrowUp') setAt((here + all.length - 1) % all.length); else if (e.key === 'Enter' && all[here]) open(all[here]); else return;
    e.preventDefault();
  };
  return (
    <>
      <input ref={input} type="text" list={undefined} role="combobox" aria-expanded="true" aria-controls="palette" aria-activedescendant={all.length ? `pal-${here}` : undefined} aria-label="Page, launch, file, list or server" placeholder="Page, launch, file, list or server" value={q} maxLength={200} spellcheck={false} onInput={(e) => setQ(e.currentTarget.value)} onKeyDown={key} />
      <ul class="palette" id="palette" role="listbox" aria-label="Found">{all.map((i, k) => <li key={i.href} id={`pal-${k}`} role="option" aria-selected={k === here} onClick={() => open(i)}>{i.face && <Glyph face={i.face} label />}<span>{i.text}</span><span class="faint">{i.kind}</span></li>)}</ul>
      {!all.length && <p class="faint" role="status">Nothing is called so.</p>}
    </>
  );
}
