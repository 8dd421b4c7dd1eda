/**
 * One stream for all tabs of a browser: this file is a shared worker, and where there is none a part of the page, for that tab alone.
 * A tab says which topics it follows; events go to those that follow them. What a tab that died said is forgotten when it says nothing more.
 */
import { backoff, named, PING_MS, streamUrl, topics, union, wants, type Topics } from '../core/stream';

/** What a tab says: all that it follows now, and the id of the last event it got; that it goes; that a try may succeed now; that it lives. */
export type ToHub = { follow: string[]; seq: number; since: string } | 'bye' | 'retry' | 'ping';
/** What it hears. `ready`: what it said under that number is being delivered; `all`: nothing of what it had is sure to go on. */
export type ToTab = { type: string; data: unknown; id: string } | { link: 'connecting' | 'live' | 'lost' } | { ready: number; all: boolean } | 'reset' | 'pong' | 'again' | 'alone';

const TYPES = ['server', 'server-removed', 'launch', 'test', 'run', 'example', 'tests', 'artifacts', 'causes', 'log', 'queue', 'job'];
/** The server takes 64 topics. A tab that nobody sees says something once a minute. */
const TOPICS_MAX = 60, SILENT_MS = 8 * PING_MS;
interface Tab { port: MessagePort; follow: Topics; seq: number; said: number; all: boolean; heard: number }
const tabs = new Map<MessagePort, Tab>();
/** What the stream brings: of a log, up to where it has. */
let es: EventSource | null = null, brings: Topics = new Map(), since = '', attempt = 0, retry = 0, settle = 0, is: 'connecting' | 'live' | 'lost' = 'connecting';

const tell = (t: Tab, m: ToTab): void => t.port.postMessage(m);
function link(to: typeof is): void { if (is !== to) { is = to; for (const t of tabs.values()) tell(t, { link: to }); } }

export function connect(port: MessagePort): void {
  port.onmessage = (e) => hear(port, e.data as ToHub);
  port.addEventListener('close', () => hear(port, 'bye'));            // newer browsers say it for a tab that died
  tell({ port } as Tab, 'pong');                                       // somebody is here
}
function hear(port: MessagePort, m: ToHub): void {
  const t = tabs.get(port);
  if (t) t.heard = Date.now();
  if (m === 'ping') port.postMessage(t ? 'pong' : 'again');
  else if (m === 'retry') { attempt = 0; is = 'lost'; soon(); }         // also one that seems to go on: it may be dead, and the tabs say that it is
  else if (m === 'bye') { tabs.delete(port); soon(); }
  else follow(port, m);
}
function follow(port: MessagePort, m: Exclude<ToHub, string>): void {
  const mine = topics(m.follow), had = tabs.get(port);
  if (union([mine, ...[...tabs.values()].filter((t) => t !== had).map((t) => t.follow)]).size > TOPICS_MAX) { tabs.delete(port); port.postMessage('alone'); return; }
  if (since === '') since = m.since;
  // Whoever comes to a stream that went on meanwhile has missed something; who never heard of it may be one that comes back.
  const t: Tab = { port, follow: mine, seq: m.seq, said: 0, all: had?.all || (m.since !== since && !had?.follow.size), heard: Date.now() };
  tabs.set(port, t);
  tell(t, { link: is });
  const more = [...mine].some(([name, at]) => !brings.has(name) || (!had?.follow.has(name) && at < brings.get(name)!));
  if (es && !more && same(union([...tabs.values()].map((x) => x.follow)), brings)) ready(t);
  else soon();
}
const same = (a: Topics, b: Topics): boolean => a.size === b.size && [...a.keys()].every((n) => b.has(n));
function ready(t: Tab): void { if (is === 'live' && t.said !== t.seq) { t.said = t.seq; tell(t, { ready: t.seq, all: t.all }); t.all = false; } }

/** What a tab wants often changes several times at once. */
function soon(): void { clearTimeout(settle); settle = setTimeout(open, 0) as unknown as number; }
function close(): void {
  clearTimeout(retry);
  if (es) { es.onopen = es.onerror = null; es.close(); es = null; }
}
function open(): void {
  clearTimeout(settle); settle = 0;
  close();
  brings = union([...tabs.values()].map((t) => t.follow));
  if (!brings.size) { is = 'connecting'; return; }
  if (is !== 'live') link(attempt ? 'lost' : 'connecting');
  const source = (es = new EventSource(streamUrl(named(brings), since))), resumed = since !== '';
  let opened = false;
  source.onopen = () => {
    opened = true; attempt = 0;
    link('live');
    for (const t of tabs.values()) { if (!resumed) { t.all = true; t.said = 0; } if (!settle) ready(t); }
  };
  source.onerror = () => {
    close();
    if (!opened && resumed && attempt > 1) since = '';                 // the server knows this revision no more
    is = 'lost';
    for (const t of tabs.values()) tell(t, { link: is });
    retry = setTimeout(open, backoff(attempt++, Math.random())) as unknown as number;
  };
  source.addEventListener('reset', () => { since = ''; for (const t of tabs.values()) tell(t, 'reset'); });
  for (const type of TYPES) source.addEventListener(type, (e) => {
    const data = JSON.parse(e.data) as { run?: number; to?: number };
    since = e.lastEventId || since;
    for (const t of tabs.values()) {
      if (!wants(t.follow, type, data)) continue;
      tell(t, { type, data, id: since });
      if (type === 'log') t.follow.set(`log:${data.run}`, Math.max(data.to!, t.follow.get(`log:${data.run}`)!));
    }
    if (type === 'log') brings.set(`log:${data.run}`, data.to!);
  });
}
/** A tab that crashed says no goodbye. */
setInterval(() => {
  let n = 0;
  for (const [port, t] of tabs) if (Date.now() - t.heard > SILENT_MS) { tabs.delete(port); n++; }
  if (n) soon();
}, PING_MS);
addEventListener('connect', (e) => connect((e as MessageEvent).ports[0]));   // no page has this event
