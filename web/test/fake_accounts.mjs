// The stand-in's accounts, after the section "Accounts" of docs/http-api.md. `null`: accounts are off.
import { randomBytes } from 'node:crypto';

const OPEN = ['/me', '/session', '/signup', '/links/look', '/links/use', '/links/reset'];
const OWN = /^\/(me|session|sessions|tokens|env)(\/|$)/;
const ADMIN = /^\/(users|audit)(\/|$)/;
export const PASSWORD = 'correct horse battery';

export function accounts(options) {
  const t0 = Date.now(), iso = (ms) => new Date(ms).toISOString(), day = 86_400_000;
  const users = new Map(), sessions = new Map(), tokens = new Map(), env = new Map(), links = new Map(), audit = [];
  const faults = { login: null };                                      // seconds to wait, said to every sign-in
  let next = 2, ids = 40;
  const role = (u) => (!u ? 'nobody' : u.admin ? 'admin' : u.verified_at ? 'user' : 'unverified');
  const state = (u) => (u.deleted ? 'deleted' : u.locked_at ? 'locked' : u.verified_at ? 'active' : 'pending');
  function add(login, more = {}) {
    const u = { id: next++, login, email: '', first_name: '', last_name: '', position: '', zone: 'UTC', mail_launches: 'failed', mail_launch_min_s: 60, mail_schedule_launches: 'failed', mail_schedule_failed: true, mail_schedule_missed: true, mail_schedule_disabled: true, email_confirmed: false, admin: false, created_at: iso(t0 - day * 30), verified_at: null, locked_at: null, seen_at: null, password: PASSWORD, ...more };
    users.set(u.id, u);
    return u;
  }
  const pub = (u) => ({ id: u.id, login: u.login, email: u.email, first_name: u.first_name, last_name: u.last_name, position: u.position, zone: u.zone, ...Object.fromEntries(Object.entries(u).filter(([k]) => k.startsWith('mail_'))), role: role(u), state: state(u), email_confirmed: u.email_confirmed, admin_by: u.admin ? 'account' : null, created_at: u.created_at, verified_at: u.verified_at, locked_at: u.locked_at, seen_at: u.seen_at });
  const byLogin = (l) => [...users.values()].find((u) => !u.deleted && u.login.toLowerCase() === String(l).toLowerCase());
  const pending = () => [...users.values()].filter((u) => state(u) === 'pending').length;
  function open(u, agent = '') {
    const key = randomBytes(16).toString('hex'), s = { id: ++ids, user: u.id, key, csrf: randomBytes(8).toString('hex'), created_at: iso(Date.now()), seen_at: iso(Date.now()), expires_at: iso(Date.now() + 30 * day), address: '127.0.0.1', agent };
    sessions.set(key, s);
    u.seen_at = s.created_at;
    return s;
  }
  const end = (keep, user) => { let n = 0; for (const [k, s] of sessions) if (s.user === user && s.id !== keep) { sessions.delete(k); n++; } return n; };
  const hasAdmin = () => [...users.values()].some((u) => u.admin && !u.deleted);
  function me(who) {
    if (!options) return { user: null, role: 'admin', via: 'open', scope: 'admin', csrf: null, session: null, accounts: false, sign_up: false, needs_admin: false, pending: 0, password_min: 10 };
    const { user, session } = who;
    return { user: user ? pub(user) : null, role: role(user), via: session ? 'session' : 'nothing', scope: 'admin', csrf: session?.csrf ?? null, session: session?.id ?? null, accounts: true, sign_up: options.signUp ?? true, needs_admin: !hasAdmin(), pending: role(user) === 'admin' ? pending() : 0, password_min: 10 };
  }
  if (options && !options.fresh) {
    const boss = add('admin', { admin: true, verified_at: iso(t0 - 29 * day), email: 'admin@example.com', email_confirmed: true, first_name: 'Ada', last_name: 'Root', seen_at: iso(t0 - 60_000) });
    add('mira', { verified_at: iso(t0 - 20 * day), email: 'mira@example.com', email_confirmed: true, first_name: 'Mira', last_name: 'Lind', position: 'QA engineer', seen_at: iso(t0 - 7_200_000) });
    add('jo', { created_at: iso(t0 - 9e5), email: 'jo@example.com', first_name: 'Jo' });
    add('<img src=x onerror=alert(1)>', { created_at: iso(t0 - 4e6), first_name: '\u202egnp', last_name: '<script>alert(2)</script>', position: 'x'.repeat(60) });
    add('sam', { verified_at: iso(t0 - 9 * day), locked_at: iso(t0 - day), first_name: 'Sam' });
    add('old', { deleted: true });
    for (let i = 0; i < (options.crowd ?? 0); i++) add(`crowd-${String(i).padStart(3, '0')}`, { verified_at: iso(t0 - day) });
    tokens.set(7, { id: 7, user: boss.id, name: 'ci', scope: 'run', created_at: iso(t0 - 3 * day), expires_at: iso(t0 + 87 * day), used_at: iso(t0 - 60_000), used_from: '10.0.0.9' });
    env.set(boss.id, [{ name: 'SPEC_REGION', value: 'eu' }, { name: 'API_TOKEN', value: 'hidden', secret: true }].map((l) => ({ secret: false, ...l })));
    open(boss, 'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0 Safari/537.36');
    for (let i = 0; i < 70; i++) audit.unshift({ id: i + 1, at: iso(t0 - (70 - i) * 300_000), user: i % 7 === 3 ? null : boss.id, login: i % 7 === 3 ? '<b>mallory</b>' : 'admin', via: i % 5 ? 'session' : 'token ci', address: '10.0.0.9', action: i % 7 === 3 ? 'session.start' : i % 3 ? 'launch.start' : 'user.verify', object: i % 3 ? `launch ${i}` : 'user mira', detail: i % 7 === 3 ? 'login or password is wrong' : i % 3 ? 'docs develop, 140 files' : '', status: i % 7 === 3 ? 401 : i === 8 ? 0 : 200 });
  }
  if (options?.fresh) links.set('first', { purpose: 'first_admin', user: null });

  const cookie = (res, s) => res.setHeader('set-cookie', s ? `wrata=${s.key}; Path=/; HttpOnly; SameSite=Lax` : 'wrata=; Path=/; Max-Age=0');
  const short = (p, v, min) => (typeof v !== 'string' || v.length < min ? `${p}: a password has at least ${min} characters` : '');
  /** True: answered here. */
  async function answer({ req, res, u, p, who, body, json, error, page }) {
    const { user, session, stale } = who, method = req.method, r = options ? role(user) : 'admin';
    const ok = (b = {}, status = 200) => { json(res, status, b); return true; };
    const no = (status, code, message, more) => { error(res, status, code, message, more); return true; };
    if (stale && !OPEN.includes(p)) return no(401, 'SIGN_IN', 'the session is over');
    if (p === '/me' && method === 'GET') return ok(me(who));
    if (options && session && method !== 'GET' && req.headers['x-csrf-token'] !== session.csrf && p !== '/session') return no(403, 'CSRF', 'X-CSRF-Token is missing or not of this session');
    if (options && r === 'nobody' && !OPEN.includes(p)) return no(401, 'SIGN_IN', 'sign in first');
    if (options && r === 'unverified' && !OPEN.includes(p) && !OWN.test(p)) return no(403, 'DENIED', 'an admin has to verify this account first');
    if (ADMIN.test(p) && r !== 'admin') return no(403, 'DENIED', 'this is for admins');
    const id = Number(/\/(\d+)(\/|$)/.exec(p)?.[1]), at = `${method} ${p.replace(/\/\d+(?=\/|$)/, '/N')}`;
    const mine = (m) => [...m.values()].filter((x) => x.user === user?.id);
    const other = users.get(id);
    const loss = (x) => ({ launches: 5, running: 1, sessions: [...sessions.values()].filter((s) => s.user === x.id).length, tokens: [...tokens.values()].filter((t) => t.user === x.id).length, env: env.get(x.id)?.length ?? 0 });
    const lines = (x) => (env.get(x.id) ?? []).map((l) => ({ name: l.name, value: l.secret ? null : l.value, secret: l.secret }));
    const edit = (x, b) => { if (b.email !== undefined && !/^$|^\S+@\S+$/.test(b.email)) return `email: '${b.email}' is no address`; if (b.email !== undefined && b.email !== x.email) x.email_confirmed = false; for (const k of ['email', 'first_name', 'last_name', 'position', ...Object.keys(b).filter((n) => n.startsWith('mail_'))]) if (b[k] !== undefined) x[k] = b[k]; return ''; };
    const kill = (x) => { end(0, x.id); for (const t of tokens.values()) if (t.user === x.id) tokens.delete(t.id); env.delete(x.id); Object.assign(x, { deleted: true, email: '', first_name: '', last_name: '', position: '' }); };
    switch (at) {
      case 'POST /session': {
        if (faults.login) { res.setHeader('retry-after', faults.login); return no(429, 'LIMIT', 'too many tries', { retry_after_s: faults.login }); }
        const x = byLogin(body.login);
        if (!x || x.password !== body.password) return no(401, 'SIGN_IN', 'Login or password is wrong.');
        if (x.locked_at) return no(403, 'DENIED', 'the account is locked');
        const s = open(x, req.headers['user-agent']);
        cookie(res, s);
        return ok(me({ user: x, session: s }));
      }
      case 'DELETE /session': if (session) sessions.delete(session.key); cookie(res, null); return ok();
      case 'POST /signup': {
        if (!/^[a-z0-9._-]{2,64}$/i.test(body.login)) return no(422, 'INVALID', `login: '${body.login}' may have letters, digits, '.', '_' and '-' only`, { field: 'login' });
        if (byLogin(body.login)) return no(409, 'CONFLICT', `login: '${body.login}' is taken`, { field: 'login' });
        const bad = short('password', body.password, 10);
        if (bad) return no(422, 'INVALID', bad, { field: 'password' });
        const x = add(body.login, { created_at: iso(Date.now()), password: body.password }), s = open(x, req.headers['user-agent']);
        edit(x, body);
        cookie(res, s);
        return ok(me({ user: x, session: s }), 201);
      }
      case 'POST /me': {
        if (body.email !== undefined && body.email !== user.email && body.current !== user.password) return no(422, 'INVALID', body.current === undefined ? 'current: another email needs the present password' : 'current: it is not your password', { field: 'current' });
        const bad = edit(user, body); return bad ? no(422, 'INVALID', bad, { field: 'email' }) : ok(pub(user));
      }
      case 'POST /me/password':
        if (body.current !== user.password) return no(422, 'INVALID', 'current: it is not your password', { field: 'current' });
        user.password = body.password;
        end(session.id, user.id);
        return ok();
      case 'GET /me/deletion': return ok(loss(user));
      case 'POST /me/delete': if (body.password !== user.password) return no(422, 'INVALID', 'password: it is not your password', { field: 'password' }); kill(user); cookie(res, null); return ok();
      case 'POST /me/confirm': return no(503, 'BUSY', 'no mail is configured here');
      case 'GET /sessions': return ok(mine(sessions).map((s) => ({ id: s.id, current: s.id === session.id, created_at: s.created_at, seen_at: s.seen_at, expires_at: s.expires_at, address: s.address, agent: s.agent })));
      case 'DELETE /sessions': return ok({ ended: end(session.id, user.id) });
      case 'DELETE /sessions/N': for (const [k, s] of sessions) if (s.id === id && s.user === user.id) sessions.delete(k); return ok();
      case 'GET /tokens': return ok(mine(tokens).map(({ user: _, ...t }) => t));
      case 'POST /tokens': {
        if (mine(tokens).some((t) => t.name === body.name)) return no(409, 'CONFLICT', `name: '${body.name}' is there already`, { field: 'name' });
        const t = { id: ++ids, user: user.id, name: body.name, scope: body.scope, created_at: iso(Date.now()), expires_at: body.expires_days ? iso(Date.now() + body.expires_days * day) : null, used_at: null, used_from: '' };
        tokens.set(t.id, t);
        const { user: _, ...shown } = t;
        return ok({ ...shown, token: `wrata_${randomBytes(24).toString('base64url')}` }, 201);
      }
      case 'DELETE /tokens/N': tokens.delete(id); return ok();
      case 'GET /env': return ok(lines(user));
      case 'POST /env': {
        const had = env.get(user.id) ?? [];
        env.set(user.id, body.lines.map((l) => ({ name: l.name, secret: l.secret, value: l.value ?? had.find((h) => h.name === l.name && h.secret)?.value })));
        return ok(lines(user));
      }
      case 'GET /users': {
        const q = (u.searchParams.get('q') ?? '').toLowerCase(), s = u.searchParams.get('state');
        const all = [...users.values()].filter((x) => (s ? state(x) === s : state(x) !== 'deleted') && `${x.login} ${x.email} ${x.first_name} ${x.last_name}`.toLowerCase().includes(q)).sort((a, b) => Number(state(b) === 'pending') - Number(state(a) === 'pending') || a.id - b.id);
        page(res, u, all.map(pub));
        return true;
      }
      case 'POST /users': { if (byLogin(body.login)) return no(409, 'CONFLICT', `login: '${body.login}' is taken`, { field: 'login' }); const x = add(body.login, { created_at: iso(Date.now()), verified_at: body.verified ? iso(Date.now()) : null, admin: body.admin, password: null }); edit(x, body); return ok({ ...pub(x), link: link(x, 'invite') }, 201); }
      case 'GET /users/N': return other ? ok(pub(other)) : no(404, 'NOTFOUND', `there is no user ${id}`);
      case 'POST /users/N': {
        if (!other) return no(404, 'NOTFOUND', `there is no user ${id}`);
        if (other.admin && (body.locked || body.admin === false) && [...users.values()].filter((x) => x.admin && !x.deleted).length === 1) return no(409, 'CONFLICT', `${other.login} is the last admin`);
        if (body.verified !== undefined) other.verified_at = body.verified ? iso(Date.now()) : null;
        if (body.locked !== undefined) { other.locked_at = body.locked ? iso(Date.now()) : null; if (body.locked) end(0, other.id); }
        if (body.admin !== undefined) other.admin = body.admin;
        if (body.email_confirmed !== undefined) other.email_confirmed = body.email_confirmed;
        edit(other, body);
        return ok(pub(other));
      }
      case 'POST /users/N/link': return ok(link(other, body.purpose), 201);
      case 'DELETE /users/N/sessions': return ok({ ended: end(0, id) });
      case 'GET /users/N/deletion': return ok(loss(other));
      case 'DELETE /users/N': kill(other); return ok();
      case 'POST /links/look': { const l = links.get(body.token); return l ? ok({ purpose: l.purpose, login: l.user?.login ?? '', email: l.user?.email ?? '' }) : no(404, 'NOTFOUND', 'this link was used, is over, or never was'); }
      case 'POST /links/use': {
        const l = links.get(body.token);
        if (!l) return no(404, 'NOTFOUND', 'this link was used, is over, or never was');
        if (l.purpose === 'confirm') { l.user.email_confirmed = true; links.delete(body.token); return ok(me(who)); }
        const bad = short('password', body.password, 10);
        if (bad) return no(422, 'INVALID', bad, { field: 'password' });
        const x = l.user ?? add(body.login, { admin: true, verified_at: iso(Date.now()), email: body.email ?? '', created_at: iso(Date.now()) });
        x.password = body.password;
        links.delete(body.token);
        end(0, x.id);
        const s = open(x, req.headers['user-agent']);
        cookie(res, s);
        return ok(me({ user: x, session: s }));
      }
      case 'POST /links/reset': return ok();
      case 'GET /audit': { const w = (k) => u.searchParams.get(k) ?? ''; page(res, u, audit.filter((a) => (!w('user') || String(a.user) === w('user')) && a.action.startsWith(w('action')) && a.object.includes(w('object')) && (!w('refused') || a.status >= 400))); return true; }
      case 'GET /audit/export': return ok(audit);
      default: return false;
    }
  }
  function link(x, purpose) {
    const token = randomBytes(12).toString('base64url');
    links.set(token, { purpose, user: x });
    return { url: `http://127.0.0.1/welcome#${token}`, purpose, expires_at: iso(Date.now() + day), mailed: false };
  }
  return {
    users, sessions, tokens, env, links, audit, faults, open, byLogin, answer, link,
    who(req) {
      if (!options) return { user: null };
      const key = /(?:^|; )wrata=([^;]+)/.exec(req.headers.cookie ?? '')?.[1], session = key && sessions.get(key), user = session && users.get(session.user);
      return user && !user.locked_at && !user.deleted ? { user, session } : { user: null, stale: Boolean(key) };
    },
    owner(user = null) { if (user) return { id: user.id, login: user.login }; const m = options && byLogin('mira'); return m ? { id: m.id, login: m.login } : { id: 1, login: 'operator' }; },
    mayStop: (who, l) => !options || role(who.user) === 'admin' || (who.user && l?.user?.id === who.user.id),
    endAll() { sessions.clear(); },
  };
}
