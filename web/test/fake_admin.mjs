// The stand-in's tables that admins look after, after docs/http-api.md: rows are added, changed and taken away.
export function admin({ iso, work, fleet, past }) {
  const hooks = [{ id: 1, name: 'chat', type: 'webhook', user: { id: 1, login: 'operator' }, url: 'https://chat.example.org/x', repository: null, kinds: ['launch_ended', 'server_lost'], all: false, project: null, enabled: true, reason: '' }];
  const mails = [{ id: 2, state: 'failed', to: 'mira@example.org', kind: 'confirm', subject: 'Confirm <b>it</b>', created_at: iso(Date.now() - 9e5), tries: 3, error: '550 no such user', message_id: 'x', next_at: null, ended_at: null }, { id: 1, state: 'sent', to: 'jo@example.org', kind: 'invite', subject: '', created_at: iso(Date.now() - 9e6), tries: 1, error: null, message_id: 'y', next_at: null, ended_at: null }];
  const rows = { projects: () => [...work.projects.values()], locations: () => work.locations, browsers: () => work.browsers, languages: () => work.languages, fleets: () => fleet().fleets, hooks: () => hooks };
  function answer({ u, p, who, body, req, res, json, error }) {
    const m = /^\/(projects|locations|browsers|languages|fleets|hooks)(?:\/(\d+)(\/test)?)?$/.exec(p), ok = (b = {}, status = 200) => { json(res, status, b); return true; }, no = (status, code, message, more) => { error(res, status, code, message, more); return true; };
    if (p === '/mails' && req.method === 'GET') return ok({ items: mails, next: null });
    if (p === '/mails/test') { mails.unshift({ ...mails[1], id: mails.length + 1, state: 'waiting', kind: 'test', to: 'admin@example.org' }); return ok(mails[0], 201); }
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
    if (test) return ok({ id: 1, state: 'delivered' }, 201);
    if (body.name !== undefined && all.some((r) => r !== x && r.name === body.name)) return no(409, 'CONFLICT', `name: there is ${body.name} already`, { field: 'name' });
    if (body.preset) for (const r of all) r.preset = false;
    if (x) { Object.assign(x, body); return ok({ ...x, secret: null }); }
    const made = { id: Math.max(0, ...all.map((r) => r.id)) + 1, archived: false, preset: false, used_at: null, ...body };
    all.push(made);
    return ok({ ...made, ...(kind === 'hooks' ? { secret: 'whsec_once' } : {}) }, 201);
  }
  return { answer, hooks, mails };
}
