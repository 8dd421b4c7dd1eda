// The stand-in's projects, choices and launches, after docs/http-api.md: what the compose screen asks.
export const HOSTILE = 'spec/<img src=x onerror=alert(1)>/\u202egnp_spec.rb';

/** Paths as a project of `n` test files has them, in the order of bytes; and what is no test. */
export function paths(n) {
  const areas = ['documents', 'forms', 'mail', 'portal/login', 'presentations', 'settings/backup', 'spreadsheets/charts', 'spreadsheets/pivot'];
  const out = [HOSTILE, 'smoke/boot.sh'];
  for (let i = 0; out.length < n; i++) out.push(`spec/${areas[i % areas.length]}/${['comments', 'copies', 'export_pdf', 'pivot_table', 'slides'][(i * 3) % 5]}_${String(i).padStart(4, '0')}_spec.rb`);
  const byte = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));
  return { tests: out.sort(byte), all: [...out, 'README.md', 'Gemfile', 'lib/helper.rb'].sort(byte) };
}
const globbed = (g) => new RegExp(`^${g.replace(/[.+^${}()|\\]/g, '\\$&').replace(/\*\*\//g, '\u0001').replace(/\*\*/g, '\u0002').replace(/\*/g, '[^/]*').replace(/\?/g, '[^/]').replace(/\u0001/g, '(?:.*/)?').replace(/\u0002/g, '.*')}$`);

export function work({ iso, t0, files = 212, bare = false, launches, tests, next, acc, sendLaunch, sendQueue, commit }) {
  const projects = new Map(), trees = new Map(), own = [];
  const choice = (names, preset) => names.map((name, i) => ({ id: i + 1, name, position: i + 1, preset: name === preset, archived: false, used_at: null }));
  const browsers = choice(['default', 'chrome', 'firefox'], 'default'), languages = choice(['en-US', 'de-DE', 'fr-FR', 'ja-JP', 'pt-BR'], 'en-US');
  const locations = choice(['com eu', 'com us', 'info', '<b>staging</b>'], 'com eu').map((l) => ({ ...l, type: 'com', url: null, health_url: null }));
  const faults = { refresh: null };                                    // what the next fetch meets
  function addProject(name, more = {}) {
    const p = { id: projects.size + 1, name, url: `https://git.example.org/qa/${name}.git`, refreshed_at: iso(t0 - 180_000), error: null, refresh_s: 300, ...more };
    projects.set(p.id, p);
    return p;
  }
  const branch = (name, subject = 'pivot: copies borders') => ({ name, commit, time: iso(t0 - 9e5), subject });
  const refs = { branches: [branch('develop'), branch('main'), branch('release/9.1'), branch('<script>alert(3)</script>')], tags: [branch('v9.0')] };
  if (!bare) { addProject('docs'); addProject('tools'); trees.set(1, paths(files)); trees.set(2, { tests: ['a.sh', 'b.sh'], all: ['a.sh', 'b.sh'] }); }

  function startLaunch(body, user, made = []) {
    const p = typeof body.project === 'number' ? projects.get(body.project) : [...projects.values()].find((x) => x.name === body.project);
    const no = (field, message) => ({ field, message: `${field}: ${message}` });
    if (!p) return no('project', `there is no project ${body.project}`);
    if (body.ref && ![...refs.branches, ...refs.tags].some((r) => r.name === body.ref)) return no('ref', `there is no branch, tag or commit '${body.ref}' in ${p.name}`);
    if (!body.files?.length) return no('files', 'name at least one file, folder or glob');
    const bad = body.files.find((f) => !trees.get(p.id).tests.includes(f));
    if (bad) return no('files', `${bad} is not runnable: wrata runs *_spec.rb, *.rb, *.sh`);
    if (body.location && !body.location.includes('://') && !locations.some((l) => l.name === body.location)) return no('location', `there is no location '${body.location}' to choose`);
    const line = (body.env ?? []).findIndex((l) => /^WRATA_/.test(l));
    if (line >= 0) return { field: `env[${line}]`, message: `env[${line}]: ${body.env[line].split('=')[0]} is set by wrata itself` };
    if (body.location?.includes('://') && !own.some((o) => o.url === body.location)) own.unshift({ url: body.location, used_at: iso(Date.now()) });
    const l = { id: next.launch++, name: body.name ?? '', user: acc.owner(user), state: 'running', outcome: null, reason: '', project: { id: p.id, name: p.name }, ref: body.ref ?? '', commit, location: body.location ?? 'com eu', order: body.order ?? 'as-given', created_at: iso(Date.now()), started_at: null, ended_at: null,
      tests: { total: 0, waiting: 0, running: 0, removed: 0, passed: 0, failed: 0, error: 0, no_tests: 0, timed_out: 0, stopped: 0, infrastructure: 0 }, examples: { discovered: 0, passed: 0, failed: 0, pending: 0, not_run: 0, errors: 0 }, eta_ms: null };
    for (const path of body.files) for (const language of body.languages ?? ['en-US']) for (const browser of body.browsers ?? ['default']) {
      const t = { id: next.test++, launch: l.id, path, language, browser, state: 'waiting', outcome: null, attempts: 0, run: null, why: 'every slot is busy' };
      tests.set(t.id, t);
      made.push(t);
      l.tests.total++; l.tests.waiting++;
    }
    launches.set(l.id, l);
    sendLaunch(l);
    sendQueue(made, body.at ?? 'end');
    return l;
  }

  /** True: answered here. */
  async function answer({ u, p, who, body, req, res, json, error, page }) {
    const at = `${req.method} ${p.replace(/\/\d+(?=\/|$)/, '/N')}`, id = Number(/\/(\d+)(\/|$)/.exec(p)?.[1]), ask = u.searchParams;
    const ok = (b = {}, status = 200) => { json(res, status, b); return true; }, no = (status, code, message, more) => { error(res, status, code, message, more); return true; };
    const project = projects.get(id);
    if (p.startsWith('/projects/') && !project) return no(404, 'NOTFOUND', `there is no project ${id}`);
    const state = project && { refreshed_at: project.refreshed_at, error: project.error };
    switch (at) {
      case 'GET /projects': return [...ask.keys()].some((k) => k !== 'remote') ? no(422, 'INVALID', 'there is no such field; there are remote') : ok({ items: [...projects.values()], next: null });
      case 'POST /projects': {
        if (!/^(https?|ssh|file):|^\/|@/.test(body.url)) return no(422, 'INVALID', `url: '${body.url}' is no git url`, { field: 'url' });
        const made = addProject(body.name, { url: body.url, refreshed_at: null });
        trees.set(made.id, paths(20));
        return ok(made, 201);
      }
      case 'POST /projects/N/refresh':
        await new Promise((done) => { setTimeout(done, 60); });
        if (faults.refresh) { project.error = faults.refresh; return no(504, 'TIMEOUT', faults.refresh); }
        Object.assign(project, { refreshed_at: iso(Date.now()), error: null });
        return ok(project);
      case 'GET /projects/N': return ok(project);
      case 'GET /projects/N/refs': return project.refreshed_at ? ok({ ...state, head: 'develop', ...refs }) : no(404, 'NOTFOUND', 'ref: the project has not been fetched yet', { field: 'ref' });
      case 'GET /projects/N/tree': {
        if (!project.refreshed_at) return no(404, 'NOTFOUND', 'ref: the project has not been fetched yet', { field: 'ref' });
        const ref = ask.get('ref');
        if (ref && ref !== commit && ![...refs.branches, ...refs.tags].some((r) => r.name === ref)) return no(422, 'INVALID', `ref: there is no branch, tag or commit '${ref}' in ${project.name}`, { field: 'ref' });
        const words = (ask.get('q') ?? '').toLowerCase().split(/\s+/).filter(Boolean), g = ask.get('glob');
        if (g && /\[[^\]]*$/.test(g)) return no(422, 'INVALID', `glob: '${g}': a [ without its ]`, { field: 'glob' });
        let all = trees.get(id)[ask.get('tests') ? 'tests' : 'all'];
        if (ref === 'v9.0') all = all.slice(0, 40);
        return ok({ commit, ...state, files: all.filter((f) => words.every((w) => f.toLowerCase().includes(w)) && (!g || globbed(g).test(f))), next: null });
      }
      // Of the files that the tree has: the first ones are slow, every fifth has a flaky example.
      case 'GET /projects/N/slowest': return ok({ items: trees.get(id).tests.slice(0, 60).map((path, i) => ({ path, description: '', id: '', run: 1, seq: null, duration_ms: 600_000 - i * 1000, runs: 5 })), next: null });
      case 'GET /projects/N/stability': page(res, u, trees.get(id).tests.filter((_, i) => i % 5 === 0).map((path) => ({ path: `${path}[1:2]`, description: 'Pivot keeps borders', what: 'flaky' }))); return true;
      case 'GET /locations': return ok({ items: locations, own });
      case 'GET /browsers': return ok({ items: browsers, next: null });
      case 'GET /languages': return ok({ items: languages, next: null });
      case 'POST /launches': {
        const l = startLaunch(body, who.user);
        return l.field ? no(422, 'INVALID', l.message, { field: l.field }) : ok(l, 201);
      }
      default: return false;
    }
  }
  return { answer, projects, trees, own, faults, refs, startLaunch, addProject, locations, browsers, languages };
}
