// The stand-in's history, after docs/http-api.md: runs and launches by filters, run again, deleted by jobs, exported.
const RUN_FIELDS = ['launch', 'test', 'server', 'state', 'outcome', 'path', 'file', 'user', 'project', 'ref', 'language', 'browser', 'since', 'until', 'cursor', 'limit', 'format'];
const LAUNCH_FIELDS = ['state', 'outcome', 'user', 'project', 'ref', 'schedule', 'since', 'until', 'q', 'cursor', 'limit'];

export function history({ iso, launches, runs, tests, work, acc, send, clean }) {
  const jobs = [], faults = { job: null };
  const some = (u, key, value) => { const w = u.searchParams.get(key); return !w || w.split(',').includes(String(value)); };
  const words = (u, key, text) => (u.searchParams.get(key) ?? '').toLowerCase().split(/\s+/).every((w) => text.toLowerCase().includes(w));
  const within = (u, at) => (!u.searchParams.get('since') || at >= u.searchParams.get('since')) && (!u.searchParams.get('until') || at <= u.searchParams.get('until'));
  /** A run with what the history says of it. */
  function whole(r) {
    const l = launches.get(r.launch), t = tests.get(r.test);
    return { ...clean(r), user: l?.user?.id ?? null, login: l?.user?.login ?? '', project: l?.project.id, project_name: l?.project.name, ref: l?.ref, language: t?.language ?? 'en-US', browser: t?.browser ?? 'default' };
  }
  /** The last answer is kept: a list is read page by page. */
  let kept = { key: '', all: [] };
  const chosen = (u) => [...runs.values()].filter((r) => some(u, 'launch', r.launch) && words(u, 'path', r.path)).map(whole).filter((r) => some(u, 'launch', r.launch) && some(u, 'test', r.test) && some(u, 'server', r.server?.id) && some(u, 'state', r.state) && some(u, 'outcome', r.outcome) && some(u, 'user', r.user) && some(u, 'project', r.project)
    && some(u, 'ref', r.ref) && some(u, 'language', r.language) && some(u, 'browser', r.browser) && some(u, 'file', r.path) && words(u, 'path', r.path) && within(u, r.created_at)).sort((a, b) => b.id - a.id);
  const asUrl = (body) => { const u = new URL('http://x/'); for (const [k, v] of Object.entries(body)) if (k !== 'all') u.searchParams.set(k, v); return u; };
  function job(kind, ids, by, drop) {
    const j = { id: jobs.length + 1, kind, state: 'running', done: 0, total: ids.length, by, at: iso(Date.now()), error: null };
    jobs.push(j);
    const step = () => {
      for (const id of ids.slice(j.done, j.done + Math.max(1, Math.ceil(ids.length / 4)))) { drop(id); j.done++; }
      if (faults.job) Object.assign(j, { state: 'failed', error: faults.job }); else if (j.done >= ids.length) j.state = 'done';
      send(['jobs'], 'job', j);
      if (j.state === 'running') setTimeout(step, 40);
    };
    setTimeout(step, 40);
    return j;
  }
  /** True: answered here. */
  function answer({ u, p, who, body, req, res, json, error, page }) {
    const at = `${req.method} ${p.replace(/\/\d+(?=\/|$)/, '/N')}`, id = Number(/\/(\d+)(\/|$)/.exec(p)?.[1]);
    const ok = (b = {}, status = 200) => { json(res, status, b); return true; }, no = (status, code, message, more) => { error(res, status, code, message, more); return true; };
    const unknown = (known) => [...u.searchParams.keys()].find((k) => !known.includes(k));
    const by = who.user?.login ?? 'operator';
    switch (at) {
      case 'GET /runs': {
        if (unknown(RUN_FIELDS)) return no(422, 'INVALID', `${unknown(RUN_FIELDS)}: there is no such field`);
        const key = [...u.searchParams].filter(([k]) => k !== 'cursor').join();
        if (!u.searchParams.get('cursor') || kept.key !== key) kept = { key, all: chosen(u) };
        const all = kept.all, from = u.searchParams.get('cursor'), limit = Number(u.searchParams.get('limit') ?? 50), rest = from ? all.filter((r) => r.id < Number(from)) : all;      // keyset
        return ok({ items: rest.slice(0, limit), next: rest.length > limit ? String(rest[limit - 1].id) : null });
      }
      case 'GET /launches':
        if (unknown(LAUNCH_FIELDS)) return no(422, 'INVALID', `${unknown(LAUNCH_FIELDS)}: there is no such field`);
        page(res, u, [...launches.values()].filter((l) => some(u, 'state', l.state) && some(u, 'outcome', l.outcome) && some(u, 'user', l.user?.id) && some(u, 'project', l.project.id) && some(u, 'ref', l.ref) && words(u, 'q', l.name) && within(u, l.created_at)).reverse());
        return true;
      case 'GET /runs/export': {
        const f = u.searchParams.get('format'), all = chosen(u);
        res.writeHead(200, { 'content-type': { csv: 'text/csv', json: 'application/json', junit: 'application/xml' }[f], 'content-disposition': `attachment; filename="runs.${f}"` });
        res.end(f === 'json' ? JSON.stringify(all) : all.map((r) => `${r.id},${r.path}`).join('\n'));
        return true;
      }
      case 'GET /runs/logs.zip': res.writeHead(200, { 'content-type': 'application/zip', 'content-disposition': 'attachment; filename="logs.zip"' }); res.end(Buffer.from('PK\x05\x06'.padEnd(22, '\0'), 'latin1')); return true;
      case 'POST /runs/retest': {
        const files = body.runs.map((x) => runs.get(x)?.path);
        if (files.some((f) => !f)) return no(404, 'NOTFOUND', `runs: there is no run ${body.runs.find((x) => !runs.has(x))}`);
        return ok(again(who, body.runs.map((x) => runs.get(x))), 201);
      }
      case 'POST /launches/N/retest': {
        const l = launches.get(id), all = [...tests.values()].filter((t) => t.launch === id && (body.what === 'all' || (t.outcome && t.outcome !== 'passed')));
        if (l.state !== 'done') return no(409, 'CONFLICT', `launch ${id} is not over`);
        if (!all.length) return no(422, 'INVALID', 'what: nothing of it failed', { field: 'what' });
        return ok(again(who, all, body.what), 201);
      }
      case 'POST /runs/delete': { for (const x of body.runs) runs.delete(x); return ok({ runs: body.runs.length, launches: 0, job: null }); };
      case 'DELETE /runs/N': { runs.delete(id); return ok({ runs: 1, launches: 0, job: null }); };
      case 'DELETE /launches/N': { launches.delete(id); return ok({ runs: 0, launches: 1, job: null }); };
      case 'POST /history/clear': return ok({ runs: 0, launches: 0, job: job('clear', chosen(asUrl(body)).map((r) => r.id), by, (x) => runs.delete(x)) }, 202);
      case 'GET /jobs': return ok({ items: [...jobs].reverse(), next: null });
      case 'GET /jobs/N': return jobs[id - 1] ? ok(jobs[id - 1]) : no(404, 'NOTFOUND', `there is no job ${id}`);
      default: return false;
    }
  }
  /** A launch of the same files, whatever the project has of them now. */
  function again(who, all, what) {
    const made = [], l = work.startLaunch({ project: 1, files: [work.trees.get(1).tests[0]] }, who.user, made);
    for (const t of made) tests.delete(t.id);
    l.tests.total = l.tests.waiting = all.length;
    l.again = all.map((t) => t.path); l.what = what;
    return l;
  }
  return { answer, jobs, faults, whole };
}
