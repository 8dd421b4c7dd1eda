// The stand-in's lists and schedules, after the section "Lists and schedules" of docs/http-api.md.
export function lists({ iso, t0, work, acc, bare }) {
  const all = new Map(), schedules = new Map(), starts = new Map();
  let next = 11, nextSchedule = 4;
  const owner = (u) => acc.owner(u), day = 86_400_000;
  const pub = (l, whole) => { const { files, ...rest } = l; return { ...rest, n_files: files.length, n_schedules: [...schedules.values()].filter((s) => s.list?.id === l.id).length, ...(whole ? { files } : {}) }; };
  function add(body, user) {
    const p = typeof body.project === 'number' ? work.projects.get(body.project) : [...work.projects.values()].find((x) => x.name === body.project);
    const l = { id: next++, name: body.name, user: owner(user), project: { id: p.id, name: p.name }, ref: body.ref ?? '', location: body.location ?? '', languages: body.languages ?? [], browsers: body.browsers ?? [], env: body.env ?? [], order: body.order ?? 'as-given', shared: !!body.shared, version: 1, created_at: iso(t0 - day), changed_at: iso(t0 - 3_600_000), files: body.files };
    all.set(l.id, l);
    return l;
  }
  function schedule(list, more) {
    const s = { id: nextSchedule++, name: list.name, user: list.user, list: { id: list.id, name: list.name }, kind: 'daily', at: '02:00', hours: null, minutes: null, days: '', cron: '', zone: 'Europe/Berlin', until: '', enabled: true, reason: '', overlap: 'skip', give_up_h: 24, version: 1, created_at: iso(t0), changed_at: iso(t0), next_at: iso(t0 + 11 * 3_600_000), next_local: '2026-11-24T02:00:00+01:00', last: null, ...more };
    schedules.set(s.id, s);
    return s;
  }
  const start = (s, x) => { const row = { due_at: iso(t0 - day), due_local: '2026-11-23T02:00:00+01:00', at: iso(t0 - day), late_ms: 0, result: 'started', launch: 7, text: '', ...x }; starts.set(s.id, [row, ...(starts.get(s.id) ?? [])]); s.last = row; };
  if (!bare) {
    const full = add({ name: 'full docs', project: 1, ref: 'develop', languages: ['en-US', 'de-DE'], files: work.trees.get(1).tests.slice(0, 40), shared: true });
    const odd = add({ name: '<b>odd</b> \u202eeman', project: 1, files: ['spec/mail/', 'spec/gone_spec.rb', 'smoke/*.sh'], env: ['A=1'] });
    const s = schedule(full, { name: 'nightly' });
    start(s, { due_at: iso(t0 - 2 * day), launch: 8 });
    start(s, { result: 'failed', launch: null, text: 'ref: there is no branch develop', late_ms: 300_000 });
    schedule(odd, { name: 'dead', enabled: false, reason: 'the list is gone', next_at: null, next_local: null, list: null });
  }
  const rule = (b) => {
    if (b.kind === 'cron' && !/^(\S+\s+){4}\S+$/.test(b.cron ?? '')) return { field: 'cron', message: `cron: '${b.cron}' has not five fields` };
    if (b.zone && !/^(UTC|[A-Z]\w+\/\w+)$/.test(b.zone)) return { field: 'zone', message: `zone: there is no time zone '${b.zone}'` };
    if (b.kind === 'weekly' && !b.days) return { field: 'days', message: 'days: a schedule of the kind weekly needs days of the week, like mon,fri' };
    return null;
  };
  function answer({ u, p, who, body, req, res, json, error, page }) {
    const at = `${req.method} ${p.replace(/\/\d+(?=\/|$)/, '/N')}`, id = Number(/\/(\d+)(\/|$)/.exec(p)?.[1]), ask = u.searchParams;
    const ok = (b = {}, status = 200) => { json(res, status, b); return true; }, no = (status, code, message, more) => { error(res, status, code, message, more); return true; };
    const l = p.startsWith('/lists/') ? all.get(id) : null, s = p.startsWith('/schedules/') && id ? schedules.get(id) : null;
    if (p.startsWith('/lists/') && !l) return no(404, 'NOTFOUND', `there is no list ${id}`);
    if (p.startsWith('/schedules/') && id && !s) return no(404, 'NOTFOUND', `there is no schedule ${id}`);
    switch (at) {
      case 'GET /lists': page(res, u, [...all.values()].reverse().map((x) => pub(x))); return true;
      case 'GET /lists/N': return ok(pub(l, true));
      case 'POST /lists': {
        const same = [...all.values()].find((x) => x.name === body.name);
        if (same && !body.replace) return no(409, 'CONFLICT', `name: you have a list '${body.name}' already`, { field: 'name' });
        if (same) { const { replace: _, project: __, ...rest } = body; Object.assign(same, { ref: '', location: '', languages: [], browsers: [], env: [], order: 'as-given' }, rest, { version: same.version + 1 }); return ok(pub(same, true), 201); }
        return ok(pub(add(body, who.user), true), 201);
      }
      case 'POST /lists/N': if (body.version && body.version !== l.version) return no(409, 'CONFLICT', 'somebody was faster'); Object.assign(l, body, { version: l.version + 1 }); return ok(pub(l, true));
      case 'DELETE /lists/N': {
        const of = [...schedules.values()].filter((x) => x.list?.id === id);
        if (of.length && !ask.has('force')) return no(409, 'CONFLICT', `schedules start this list: ${of.map((x) => x.name).join(', ')}`);
        for (const x of of) Object.assign(x, { enabled: false, reason: 'the list is gone', list: null });
        all.delete(id);
        return ok();
      }
      case 'POST /lists/N/launch': {
        const r = work.startLaunch({ project: l.project.id, ref: l.ref, files: l.files, languages: l.languages.length ? l.languages : undefined, at: body.at }, who.user);
        return r.field ? no(422, 'INVALID', r.message, { field: r.field }) : ok(r, 201);
      }
      case 'GET /schedules': page(res, u, [...schedules.values()].filter((x) => !ask.get('list') || x.list?.id === Number(ask.get('list'))).reverse()); return true;
      case 'GET /schedules/preview': {
        const b = Object.fromEntries(ask), bad = rule(b);
        if (bad) return no(422, 'INVALID', bad.message, { field: bad.field });
        const items = b.kind === 'once' && b.at < '2026' ? [] : Array.from({ length: b.kind === 'once' ? 1 : Number(b.count ?? 5) }, (_, i) => ({ at: iso(t0 + (i + 1) * day), local: `2026-11-${24 + i}T02:00:00+01:00` }));
        return ok({ items, next: null });
      }
      case 'POST /schedules': case 'POST /schedules/N': {
        const bad = body.kind && rule(body);
        if (bad) return no(422, 'INVALID', bad.message, { field: bad.field });
        if (s && body.version && body.version !== s.version) return no(409, 'CONFLICT', 'version: somebody was faster', { field: 'version' });
        const list = body.list && all.get(body.list), change = { ...body, ...(list ? { list: { id: list.id, name: list.name } } : {}) };
        delete change.version;
        if (s) { Object.assign(s, change, { version: s.version + 1 }); if (body.enabled) s.reason = ''; return ok(s); }
        return ok(schedule(list, change), 201);
      }
      case 'GET /schedules/N': return ok(s);
      case 'GET /schedules/N/starts': page(res, u, starts.get(id) ?? []); return true;
      case 'DELETE /schedules/N': schedules.delete(id); return ok();
      case 'POST /schedules/N/run': { if (!s.list) return no(409, 'CONFLICT', 'its list is gone'); const x = all.get(s.list.id), r = work.startLaunch({ project: x.project.id, files: x.files.filter((f) => f.endsWith('_spec.rb')) }, who.user); return ok(r, 201); }
      default: return false;
    }
  }
  return { answer, all, schedules, add, schedule };
}
