import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { route } from '../core/route';
import { elapsed } from '../core/fmt';
import { link, lostAt } from './live';
import { keys, nextTheme, now, go, spoken, theme, url, useKey, useTitle } from './nav';
import { Dialog, Nothing } from './parts/basics';
import { Board } from './screens/board';
import { Launch } from './screens/launch';
import { Run } from './screens/run';

const THEMES = { '': 'System', light: 'Light', dark: 'Dark' };
const SUN = 'M8 4.6a3.4 3.4 0 1 0 0 6.8 3.4 3.4 0 0 0 0-6.8zM8 .8v1.6M8 13.6v1.6M.8 8h1.6M13.6 8h1.6M2.9 2.9 4 4M12 12l1.1 1.1M2.9 13.1 4 12M12 4l1.1-1.1';

function Link() {
  const s = link.value, shown = s === 'paused' ? 'connecting' : s;
  return <span class="link" data-s={shown}>{shown}{s === 'reconnecting' && lostAt.value !== null ? <span class="num"> {elapsed(now.value - lostAt.value)}</span> : null}</span>;
}
/** A thin line once the link has been away for a moment; nothing on the page is taken away. */
function LostBar() {
  const at = lostAt.value;
  if (at === null || link.value === 'live' || link.value === 'paused' || now.value - at < 2000) return null;
  return <p class="lost" role="status">{link.value === 'offline' ? 'This computer is offline' : 'Live updates lost'} since {new Date(at).toLocaleTimeString()}, trying again. What you see stays as it was.</p>;
}
function Help({ open, close }: { open: boolean; close: () => void }) {
  const list = [...keys].filter((k, i, all) => all.findLastIndex((o) => o.key === k.key) === i);
  return (
    <Dialog title="Keys" open={open} close={close}>
      <dl class="keys">{list.map((k) => <div key={k.key}><dt><kbd>{k.key}</kbd></dt><dd>{k.text}</dd></div>)}</dl>
      <p class="acts"><button type="button" class="btn" autoFocus onClick={close}>Close</button></p>
    </Dialog>
  );
}
function NotFound() {
  useTitle('Nothing here');
  return <Nothing />;
}
function Screen() {
  const r = route(url.value.pathname);
  switch (r.at) {
    case 'board': return <Board />;
    case 'launch': return <Launch key={`l${r.id}`} id={r.id} />;
    case 'run': return <Run key={`r${r.id}`} id={r.id} />;
    default: return <NotFound />;
  }
}
function App() {
  const [help, setHelp] = useState(false), at = route(url.value.pathname).at;
  useKey('?', 'Show the keys of this page', () => setHelp(true));
  useKey('t', 'Theme: system, light, dark', nextTheme);
  useKey('g b', 'Go to the board', () => go('/'));
  useEffect(() => { const s = document.getElementById('app')!; s.dataset.at = at; }, [at]);
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href="/"><svg viewBox="0 0 18 18" aria-hidden="true"><rect y="3" width="18" height="3.4" rx="1.7" class="m1" /><rect y="7.6" width="12.6" height="3.4" rx="1.7" class="m2" /><rect y="12.2" width="7.2" height="3.4" rx="1.7" class="m3" /></svg>wrata</a>
        <nav aria-label="Main"><a href="/" aria-current={at === 'board' ? 'page' : undefined}>Board</a></nav>
        <span class="grow" />
        <Link />
        <button type="button" class="btn ghost" onClick={nextTheme} aria-label={`Theme: ${THEMES[theme.value]}`} title={`Theme: ${THEMES[theme.value]}`}><svg class="i" viewBox="0 0 16 16" aria-hidden="true"><path d={SUN} /></svg><span class="wide">{THEMES[theme.value]}</span></button>
        <button type="button" class="btn ghost" onClick={() => setHelp(true)} aria-label="Keys">?</button>
      </header>
      <LostBar />
      <main id="main" tabIndex={-1}><Screen /></main>
      <p class="sr" role="status" aria-live="polite">{spoken.value}</p>
      <Help open={help} close={() => setHelp(false)} />
    </>
  );
}
render(<App />, document.getElementById('app')!);
