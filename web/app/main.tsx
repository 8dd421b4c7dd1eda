import './fragment';
import './plain';
import { render, type ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { signInAddress } from '../core/account';
import { route, type Route } from '../core/route';
import { elapsed } from '../core/fmt';
import { asError, loadMe, type ApiError } from './api';
import { Later } from './later';
import { link, lostAt } from './live';
import { hold, keys, keysOn, nextTheme, setKeys, now, go, replace, spoken, url, useKey, useTitle } from './nav';
import { Dialog, Failed, Nothing, Skeleton } from './parts/basics';
import { UserMenu } from './parts/usermenu';
import { lazy } from './parts/lazy';
import { Board } from './screens/board';
import { rest } from './groups';
import { me, over } from './who';

/* The page comes in two parts: what the board needs, and the rest when it is asked for. */
type Screens<T> = { [K in keyof T]: T[K] extends ComponentType<infer P> ? (props: P) => preact.JSX.Element : never };
/** Each screen of a part by its name. */
const of = <T extends object>(group: () => Promise<T>): Screens<T> => new Proxy({}, { get: (_, name) => lazy(() => group().then((m) => m[name as keyof T] as ComponentType)) }) as Screens<T>;
const { Launch, Run, Runs, Launches, Files, Palette, Compose, Lists, ListScreen, Schedules, ScheduleScreen, Servers, ServerScreen, Users, UserScreen, Audit, Admin, HookScreen, Cost, Retention, SignIn, SignUp, Forgot, Welcome, Waiting, SessionOver, Account } = of(rest);

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
  const list = [...keys].filter((k, i, all) => k.text && all.findLastIndex((o) => o.key === k.key) === i);
  return (
    <Dialog title="Keys" open={open} close={close}>
      <dl class="keys"><div><dt><kbd>Ctrl K</kbd></dt><dd>Go to a page, launch, file, list or server</dd></div>{list.map((k) => <div key={k.key}><dt><kbd>{k.key}</kbd></dt><dd>{k.text}</dd></div>)}</dl>
      <label class="check"><input type="checkbox" checked={keysOn.value} onChange={(e) => setKeys(e.currentTarget.checked)} />Single keys do something</label>
      <p class="acts"><button type="button" class="btn" autoFocus onClick={close}>Close</button></p>
    </Dialog>
  );
}
function NotFound() {
  useTitle('Nothing here');
  return <Nothing />;
}
/** What everybody may see, signed in or not. */
const OPEN = new Set<Route['at']>(['signin', 'signup', 'forgot', 'welcome']);
/** Where the live stream brings what is shown. */
const LIVE = new Set<Route['at']>(['board', 'launch', 'run', 'runs', 'launches', 'servers', 'server']);
/** Screens of people who are in: anybody else goes to the sign-in and comes back here after it. */
function Screen({ r }: { r: Route }) {
  const m = me.value!;
  const away = m.role === 'nobody' && m.accounts && !OPEN.has(r.at);
  useEffect(() => { if (away) replaceAll(signInAddress(location.pathname + location.search + location.hash)); }, [away]);
  if (away) return null;
  if (m.role === 'unverified' && !OPEN.has(r.at) && r.at !== 'account') return <Waiting />;
  switch (r.at) {
    case 'board': return <Board />;
    case 'compose': return <Compose />;
    case 'servers': return <Servers />;
    case 'server': return <ServerScreen key={`v${r.id}`} id={r.id} />;
    case 'lists': return <Lists />;
    case 'list': return <ListScreen key={`i${r.id}`} id={r.id} />;
    case 'schedules': return <Schedules />;
    case 'schedule': return <ScheduleScreen key={`s${r.id}`} id={r.id} />;
    case 'runs': return <Runs />;
    case 'files': return <Files />;
    case 'launches': return <Launches />;
    case 'launch': return <Launch key={`l${r.id}`} id={r.id} />;
    case 'run': return <Run key={`r${r.id}`} id={r.id} />;
    case 'signin': return <SignIn />;
    case 'signup': return <SignUp />;
    case 'forgot': return <Forgot />;
    case 'welcome': return <Welcome />;
    case 'account': return <Account key={r.tab} tab={r.tab} />;
    case 'admin': return <Admin key={r.table} table={r.table} />;
    case 'users': return <Users />;
    case 'user': return <UserScreen key={`u${r.id}`} id={r.id} />;
    case 'audit': return <Audit />;
    case 'hook': return <HookScreen key={`h${r.id}`} id={r.id} />;
    case 'cost': return <Cost />;
    case 'retention': return <Retention />;
    default: return <NotFound />;
  }
}
const replaceAll = (href: string): void => replace((u) => { const to = new URL(href, location.origin); u.pathname = to.pathname; u.search = to.search; u.hash = ''; });
/** Nothing is shown before it is known who looks. */
function Known({ r }: { r: Route }) {
  const [error, setError] = useState<ApiError | null>(null);
  const load = (): void => { setError(null); loadMe().catch((e) => setError(asError(e))); };
  useEffect(load, []);
  if (me.value) return <Screen r={r} />;
  return error ? <Failed error={error} what="The page" retry={load} /> : <Skeleton rows={8} />;
}
/** An admin who comes back to the tab sees how many wait now. */
addEventListener('visibilitychange', () => { if (!document.hidden && me.peek()?.role === 'admin') loadMe().catch(() => { /* the link's words say it */ }); });
const NAV: [href: string, text: string, here: Route['at'][]][] = [['/compose', 'Compose', ['compose']], ['/', 'Board', ['board']], ['/runs', 'Runs', ['runs', 'launches', 'launch', 'run', 'files']], ['/lists', 'Lists', ['lists', 'list']], ['/schedules', 'Schedules', ['schedules', 'schedule']], ['/servers', 'Servers', ['servers', 'server']]];
function App() {
  const [help, setHelp] = useState(false), [palette, setPalette] = useState(false), r = route(url.value.pathname), at = r.at, m = me.value;
  const inside = !!m && (!m.accounts || m.role === 'user' || m.role === 'admin');
  useKey('?', 'Show the keys of this page', () => setHelp(true));
  useKey('t', 'Theme: system, light, dark', nextTheme);
  useKey('g c', 'Go to compose', () => go('/compose'));
  useKey('g b', 'Go to the board', () => go('/'));
  useKey('g r', 'Go to the runs', () => go('/runs'));
  useKey('g m', 'Go to the servers', () => go('/servers'));
  useKey('g l', 'Go to the lists', () => go('/lists'));
  useKey('g s', 'Go to the schedules', () => go('/schedules'));
  useEffect(() => {
    const open = (e: KeyboardEvent): void => { if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key === 'k' && !document.querySelector('dialog[open]')) { e.preventDefault(); hold(); setPalette(true); } };
    document.addEventListener('keydown', open);
    return () => document.removeEventListener('keydown', open);
  }, []);
  useEffect(() => { const s = document.getElementById('app')!; s.dataset.at = at; }, [at]);
  return (
    <>
      <a class="skip" href="#main">Skip to content</a>
      <header class="top">
        <a class="brand" href="/"><svg viewBox="0 0 18 18" aria-hidden="true"><rect y="3" width="18" height="3.4" rx="1.7" class="m1" /><rect y="7.6" width="12.6" height="3.4" rx="1.7" class="m2" /><rect y="12.2" width="7.2" height="3.4" rx="1.7" class="m3" /></svg>wrata</a>
        {inside && <nav aria-label="Main">{NAV.map(([href, text, here]) => <a key={href} href={href} aria-current={here.includes(at) ? 'page' : undefined}>{text}</a>)}</nav>}
        <span class="grow" />
        {inside && LIVE.has(at) && <Link />}
        {inside && <button type="button" class="btn ghost wide" onClick={() => { hold(); setPalette(true); }}>Search <kbd>Ctrl K</kbd></button>}
        <button type="button" class="btn ghost" onClick={() => setHelp(true)} aria-label="Keys">?</button>
        <UserMenu />
      </header>
      <LostBar />
      <main id="main" tabIndex={-1}><Known r={r} /></main>
      <p class="sr" role="status" aria-live="polite">{spoken.value}</p>
      <Later />
      {over.value && <SessionOver />}
      {palette && inside && <Palette open close={() => setPalette(false)} />}
      <Help open={help} close={() => setHelp(false)} />
    </>
  );
}
render(<App />, document.getElementById('app')!);
