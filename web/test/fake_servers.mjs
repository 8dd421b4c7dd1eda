// The stand-in's fleets and what is done to servers, after docs/http-api.md.
export function serverOps({ iso, t0, servers, acc, send, sendServer, faults }) {
  const fleets = [
    { id: 1, name: 'local', kind: 'local', makes_machines: false, booked_only: false, idle_ms: 3600000, machines_max: 0, day_usd_max: 0, error: null },
    { id: 2, name: 'ssh', kind: 'ssh', makes_machines: false, booked_only: false, idle_ms: 3600000, machines_max: 0, day_usd_max: 0, error: null },
    { id: 3, name: 'cloud', kind: 'digitalocean', makes_machines: true, booked_only: false, idle_ms: 3600000, machines_max: 6, day_usd_max: 0, error: null },
  ];
  const catalog = { at: iso(t0), error: '', machines_max: 6, sizes: [{ name: 'small', description: '', usd_per_hour: 0.00744, memory_mib: 1024, cpus: 1, disk_gib: 25, available: true }, { name: 'large', description: '', usd_per_hour: 0.02976, memory_mib: 8192, cpus: 4, disk_gib: 160, available: true }] };
  const blank = { port: 22, user: '', address: '', slots: 1, status: 'created', status_since: iso(t0), status_reason: '', progress: '', machine: null, size: null, region: null, usd_per_hour: null, billed_at: null, idle_ms: null, destroys_at: null, booked_by: null, booked_at: null, maintenance: false, sick: null, sick_since: null, removing: false, link: 'online', reason: '', since: iso(t0), agent: '0.1.0', facts: 'Linux x86_64', health: null, running: [] };
  const fresh = (more) => { const s = { ...blank, ...more, id: Math.max(0, ...servers.keys()) + 1, running: [] }; servers.set(s.id, s); sendServer(s); return s; };
  function boot(s) {
    Object.assign(s, { status: 'creating', progress: 'the cloud was asked for a machine', link: 'offline', status_since: iso(Date.now()) });
    sendServer(s);
    setTimeout(() => { if (faults.stuck || s.status !== 'creating') return; Object.assign(s, { status: 'created', progress: '', link: 'online', machine: `m${s.id}`, size: s.size ?? 'small', region: 'fra1', usd_per_hour: 0.00744, address: `10.1.0.${s.id}`, since: iso(Date.now()) }); sendServer(s); }, 120);
  }
  function answer({ u, p, who, body, req, res, json, error, page }) {
    const at = `${req.method} ${p.replace(/\/\d+(?=\/|$)/, '/N')}`, id = Number(/\/(\d+)(\/|$)/.exec(p)?.[1]);
    const ok = (b = {}, status = 200) => { json(res, status, b); return true; }, no = (status, code, message, more) => { error(res, status, code, message, more); return true; };
    const me = acc.owner(who.user), named = (body.servers ?? []).map((x) => servers.get(x)).filter(Boolean), all = () => { for (const s of named) sendServer(s); return ok({ servers: named }); };
    switch (at) {
      case 'GET /fleets': return ok({ items: fleets, next: null });
      case 'GET /fleets/N/catalog': return fleets.find((f) => f.id === id)?.makes_machines ? ok(catalog) : no(404, 'NOTFOUND', `there is no fleet ${id} that makes machines`);
      case 'POST /fleets/N/take': {
        const f = fleets.find((x) => x.id === id), free = [...servers.values()].filter((s) => s.fleet === f.name && !s.booked_by && s.status === 'created').slice(0, body.count);
        if (!f.makes_machines && free.length < body.count) return no(409, 'CONFLICT', `${free.length} of ${body.count} servers of ${f.name} are free`, { field: 'count' });
        if (body.count > 6) return no(409, 'CONFLICT', `${body.count} servers are more than the 6 machines of cloud`, { field: 'count' });
        const made = [...free];
        while (made.length < body.count) { const s = fresh({ name: `cloud-${made.length + 1}`, fleet: f.name, kind: f.kind, size: body.size ?? null }); boot(s); made.push(s); }
        for (const s of made) { Object.assign(s, { booked_by: me, booked_at: iso(Date.now()) }); sendServer(s); }
        return ok({ servers: made });
      }
      case 'POST /servers': case 'POST /servers/add_many': {
        if ([...servers.values()].some((s) => s.name === body.name)) return no(409, 'CONFLICT', `name: there is a server ${body.name} already`, { field: 'name' });
        const m = /\{(\d+)\.\.(\d+)\}/.exec(body.name), names = m ? Array.from({ length: m[2] - m[1] + 1 }, (_, i) => body.name.replace(m[0], String(Number(m[1]) + i))) : [body.name], f = fleets.find((x) => x.name === body.fleet);
        const made = names.map((name) => fresh({ name, fleet: f.name, kind: f.kind, address: body.address ?? '', slots: body.slots ?? 1, ...(f.makes_machines ? { status: 'destroyed', link: 'offline' } : { link: 'connecting' }) }));
        return ok(p.endsWith('many') ? { servers: made } : made[0], 201);
      }
      case 'POST /servers/book': { const taken = named.find((s) => s.booked_by && s.booked_by.id !== me.id); if (taken) return no(409, 'CONFLICT', `${taken.name} is booked by ${taken.booked_by.login}`); for (const s of named) s.booked_by = me; return all(); }
      case 'POST /servers/unbook': for (const s of named) s.booked_by = null; return all();
      case 'POST /servers/power_on': for (const s of named) boot(s); return all();
      case 'POST /servers/power_off': {
        const held = named.find((s) => s.running.length);
        if (held && !body.force) return no(409, 'CONFLICT', `${held.name} holds ${held.running.length} run`);
        for (const s of named) { Object.assign(s, { status: 'destroying', running: [] }); setTimeout(() => { Object.assign(s, { status: 'destroyed', link: 'offline', machine: null, usd_per_hour: null }); sendServer(s); }, 120); }
        return all();
      }
      case 'POST /servers/drain': for (const s of named) s.maintenance = true; return all();
      case 'POST /servers/resume': for (const s of named) Object.assign(s, { maintenance: false, sick: null }); return all();
      case 'POST /servers/idle': for (const s of named) s.idle_ms = body.idle_ms < 0 ? null : body.idle_ms; return all();
      case 'POST /servers/N': {
        const s = servers.get(id), other = [...servers.values()].find((x) => x.name === body.name);
        if (!s) return no(404, 'NOTFOUND', `there is no server ${id}`);
        if (other && other !== s) return no(409, 'CONFLICT', `there is a server named "${body.name}" already`, { field: 'name' });
        if (s.running.length && Object.keys(body).length) return no(409, 'CONFLICT', `${s.name} holds ${s.running.length} run: put it into maintenance, and change it when they are over`);
        s.edited = body;
        Object.assign(s, body);
        sendServer(s);
        return ok(s);
      }
      case 'DELETE /servers/N': servers.delete(id); send(['servers'], 'server-removed', { id }); return ok();
      default: return false;
    }
  }
  return { answer, fleets, fresh };
}
