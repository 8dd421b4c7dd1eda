// The stand-in's tables that admins look after, after docs/http-api.md: rows are added, changed and taken away.
export function admin({ iso, work, fleet, past }) {
  const hooks = [{ id: 1, name: 'chat', type: 'webhook', user: { id: 1, login: 'operator' }, url: 'https://chat.example.org/x', repository: null, kinds: ['launch_ended', 'server_lost'], all: false, project: null, enabled: true, reason: '', created_at: iso(Date.now() - 9e8), failing_since: null, failures: 0, paused_until: null, last_at: iso(Date.now() - 4e5), last_status: 200, last_error: null }];
  const sent = (id, more) => ({ id, hook: 1, kind: 'launch_ended', state: 'delivered', object: 12, count: 1, at: iso(Date.now() - id * 6e4), next_at: null, ended_at: iso(Date.now() - id * 6e4), tries: 1, status: 200, took_ms: 41, error: null, answer: 'ok <b>fine</b>', body: '{"kind":"launch_ended","launch":{"id":12}}', ...more });
  const deliveries = [sent(3), sent(2, { kind: 'server_lost', object: 9, state: 'failed', status: 500, tries: 8, error: 'answered 500 <script>', answer: 'boom' }), sent(1, { kind: 'runs_failed', count: 14, state: 'waiting', status: null, tries: 0, took_ms: null, answer: '', next_at: iso(Date.now() + 9e4) })];
  const DAY = 864e5, kept = { kinds: [['logs', 90, null, 4000, 73400320, 88], ['artifacts', 30, 5e9, 820, 1200345678, 29], ['examples', 180, null, 412000, 50331648, 120], ['history', null, null, 9100, 410000000, 300]].map(([kind, days, max_bytes, items, bytes, age]) => ({ kind, days, max_bytes, items, bytes, oldest_at: iso(Date.now() - age * DAY), goes_next: days ? iso(Date.now() + (days - age) * DAY) : null })), disk: { free: 21e9, total: 100e9, database_free: 12e6, low: false, full: false, why: null } };
  const goes = { logs: [120, 3100000], artifacts: [0, 0], examples: [0, 0], history: [0, 0] };
  const spent = (cost, runs) => ({ cost_usd: cost, runs_usd: runs, idle_usd: Math.round((cost - runs) * 1e6) / 1e6, machines_s: Math.round(cost * 30000), runs_s: Math.round(runs * 30000) });
  function cost(u, boss) {
    const by = u.searchParams.get('by') ?? 'day', day = (n) => iso(Date.now() - n * DAY).slice(0, 10), add = (c) => ({ cost_usd: c, runs_usd: c, idle_usd: null, machines_s: null, runs_s: Math.round(c * 30000) });
    const items = { day: [0, 1, 2].map((n) => ({ day: day(n), id: null, name: day(n), of: '', ...spent(3.2 - n, 2 - n / 2) })), launch: [{ day: null, id: 12, name: 'nightly <b>', of: 'mira', ...add(1.2) }], schedule: [], user: [{ day: null, id: 3, name: 'mira', of: '', ...add(1.2) }], server: [{ day: null, id: 2, name: 'qa-02', of: 'cloud', ...spent(0.0042, 0.001) }], fleet: [{ day: null, id: 1, name: 'cloud', of: '', ...spent(6, 4.5) }] }[by];
    return { today: { day: day(0), ...spent(3.2, 2) }, now: { machines: 4, usd_per_hour: 0.107, charged_at: iso(Date.now()) }, from: u.searchParams.get('from') ?? day(29), to: u.searchParams.get('to') ?? day(0), by, total: { ...spent(6.6, 4.5), days: 3, idle_percent: boss ? 32 : null, idle_usd_per_day: boss ? 0.7 : null }, items, next: null };
  }
  const mails = [{ id: 2, state: 'failed', to: 'mira@example.org', kind: 'confirm', subject: 'Confirm <b>it</b>', created_at: iso(Date.now() - 9e5), tries: 3, error: '550 no such user', message_id: 'x', next_at: null, ended_at: null }, { id: 1, state: 'sent', to: 'jo@example.org', kind: 'invite', subject: '', created_at: iso(Date.now() - 9e6), tries: 1, error: null, message_id: 'y', next_at: null, ended_at: null }];
  const rows = { projects: () => [...work.projects.values()], locations: () => work.locations, browsers: () => work.browsers, languages: () => work.languages, fleets: () => fleet().fleets, hooks: () => hooks };
  function answer({ u, p, who, body, req, res, json, error }) {
    const m = /^\/(projects|locations|browsers|languages|fleets|hooks)(?:\/(\d+)(\/test)?)?$/.exec(p), ok = (b = {}, status = 200) => { json(res, status, b); return true; }, no = (status, code, message, more) => { error(res, status, code, message, more); return true; };
    if (p === '/mails' && req.method === 'GET') return ok({ items: mails, next: null });
    if (p === '/mails/test') { mails.unshift({ ...mails[1], id: mails.length + 1, state: 'waiting', kind: 'test', to: 'admin@example.org' }); return ok(mails[0], 201); }
    const boss = !who.user || who.user.admin, d = /^\/deliveries\/(\d+)(\/retry)?$/.exec(p), of = /^\/hooks\/(\d+)\/deliveries$/.exec(p);
    if (p === '/retention') return ok(kept);
    if (p === '/retention/prune') { if (!boss) return no(403, 'DENIED', 'this is for admins'); const all = { ...kept, kinds: kept.kinds.map((k) => ({ ...k, goes: goes[k.kind][0], goes_bytes: goes[k.kind][1] })) }; if (!body.dry_run) { kept.kinds[0].items -= goes.logs[0]; kept.kinds[0].bytes -= goes.logs[1]; goes.logs = [0, 0]; } return ok(all); }
    if (p === '/cost') return !boss && /server|fleet/.test(u.searchParams.get('by') ?? '') ? no(403, 'DENIED', 'this is for admins') : ok(cost(u, boss));
    if (of) return ok({ items: deliveries.filter((x) => x.hook === Number(of[1]) && (!u.searchParams.get('state') || x.state === u.searchParams.get('state'))).map(({ body: _, ...x }) => x), next: null });
    if (d) { const x = deliveries.find((y) => y.id === Number(d[1])); if (!x) return no(404, 'NOTFOUND', `there is no delivery ${d[1]}`); if (d[2]) Object.assign(x, { state: 'waiting', next_at: iso(Date.now()), error: null }); return ok(x); }
    if (p === '/mails/retry') { for (const x of mails) if (x.state === 'failed') x.state = 'waiting'; return ok({ waiting: 1 }); }
    if (/^\/jobs\/\d+$/.test(p) && req.method === 'DELETE') { const j = past().jobs[Number(p.slice(6)) - 1]; j.state = 'canceled'; return ok(j); }
    if (!m || (req.method === 'GET' && !['hooks'].includes(m[1])) || (m[1] === 'projects' && req.method === 'POST' && !m[2])) return false;
    const [, kind, id, test] = m, all = rows[kind](), x = all.find((r) => r.id === Number(id));
    if (id && !x) return no(404, 'NOTFOUND', `there is no ${kind.slice(0, -1)} ${id}`);
    if (req.method === 'GET') return ok(id ? x : { items: all, next: null });
    if (who.role !== 'admin' && kind !== 'hooks' && who.user) return no(403, 'DENIED', 'this is for admins');
    if (req.method === 'DELETE') {
      if (kind === 'projects' && x.name === 'docs') return no(409, 'CONFLICT', 'a launch of docs is not done');
      if (kind === 'projects') work.projects.delete(x.id); else all.splice(all.indexOf(x), 1);
      return ok();
    }
    if (test) { deliveries.unshift(sent(deliveries.length + 1, { hook: x.id, kind: 'test', object: 0, at: iso(Date.now()) })); return ok(deliveries[0], 201); }
    if (body.name !== undefined && all.some((r) => r !== x && r.name === body.name)) return no(409, 'CONFLICT', `name: there is ${body.name} already`, { field: 'name' });
    if (body.preset) for (const r of all) r.preset = false;
    if (x) { const { new_secret, ...rest } = body; Object.assign(x, rest); return ok({ ...x, secret: new_secret ? 'whsec_new' : null }); }
    const made = { id: Math.max(0, ...all.map((r) => r.id)) + 1, archived: false, preset: false, used_at: null, ...body };
    all.push(made);
    return ok({ ...made, ...(kind === 'hooks' ? { secret: 'whsec_once' } : {}) }, 201);
  }
  return { answer, hooks, mails, deliveries, kept };
}
