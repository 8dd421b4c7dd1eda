// The stand-in's queue, after the section "The queue" of docs/http-api.md: one for everybody.
export function queue({ tests, launches, send, iso, commit }) {
  let order = [], version = 1700000000000, paused = null, undo = 0;
  const undos = [];
  const waiting = (id) => tests.get(id)?.state === 'waiting';
  const tidy = () => { order = order.filter(waiting); };
  const told = () => { tidy(); send(['queue'], 'queue', { user: 1, version, waiting: order.length, paused }); };
  const item = (id, i) => {
    const t = tests.get(id), l = launches.get(t.launch);
    return { id, path: t.path, launch: { id: l.id, name: l.name }, project: l.project, ref: l.ref, commit, location: l.location ?? 'com eu', language: t.language ?? 'en-US', browser: t.browser ?? 'default', attempts: t.attempts, ahead: i, predicted_ms: i % 5 === 4 ? null : 40_000 + (id % 7) * 9000, starts_in_ms: i % 5 === 4 ? null : i * 8000, why: i ? `all slots are taken; ${i} tests of its queue are ahead of it` : 'all slots are taken; it is the next' };
  };
  const ops = {
    move: (b) => {
      const ids = new Set(b.tests.filter((x) => order.includes(x))), moved = order.filter((x) => ids.has(x)), rest = order.filter((x) => !ids.has(x));
      const at = b.to === 'front' ? 0 : b.to === 'end' ? rest.length : rest.indexOf(b.before);
      if (at < 0) return { status: 422, field: 'before', message: `before: test ${b.before} does not wait` };
      order = [...rest.slice(0, at), ...moved, ...rest.slice(at)];
      return { done: moved.length, passed: b.tests.length - moved.length };
    },
    delete: (b) => out(order.filter((x) => b.tests.includes(x)), b.tests.length),
    clear: () => out(order),
    dedupe: () => { const seen = new Set(); return out(order.filter((id) => { const { id: _, ahead, predicted_ms, starts_in_ms, why, attempts, launch, ...same } = item(id, 0), k = JSON.stringify(same); return seen.has(k) || !seen.add(k); })); },
    shuffle: () => { order = order.map((x, i) => [((i + 1) * 7919) % 104729, x]).sort((a, b) => a[0] - b[0]).map((x) => x[1]); return { done: order.length }; },
    sort: () => { order = order.map((x) => [x, 40_000 + (x % 7) * 9000]).sort((a, b) => b[1] - a[1]).map((x) => x[0]); return { done: order.length }; },
    undo: (b) => {
      const u = undos.splice(b.undo ? undos.findIndex((x) => x.id === b.undo) : 0, 1)[0];
      if (!u) return { status: 404, message: 'there is nothing to put back' };
      for (const [id, at] of u.was) { tests.get(id).state = 'waiting'; launches.get(tests.get(id).launch).tests.waiting++; order.splice(at, 0, id); }
      return { done: u.was.length };
    },
    pause: () => { paused ??= { by: 'mira', at: iso(Date.now()) }; return { done: 0 }; },
    resume: () => { paused = null; return { done: 0 }; },
  };
  function out(ids, asked = ids.length) {
    const gone = new Set(ids), was = order.map((x, i) => [x, i]).filter(([x]) => gone.has(x));
    for (const id of ids) { tests.get(id).state = 'removed'; launches.get(tests.get(id).launch).tests.waiting--; }
    order = order.filter((x) => !gone.has(x));
    if (ids.length) undos.unshift({ id: ++undo, was });
    return { done: ids.length, passed: asked - ids.length, undo: ids.length ? undo : null };
  }
  return {
    add(made, at) { order = at === 'front' ? [...made.map((t) => t.id), ...order] : [...order, ...made.map((t) => t.id)]; version++; told(); },
    taken() { told(); },
    next: () => { tidy(); return paused ? undefined : tests.get(order[0]); },
    order: () => { tidy(); return [...order]; },
    /** As if somebody else had changed it. */
    touch(f) { if (f) order = f(order); version++; told(); },
    undos,
    answer({ u, p, body, req, json, error, res }) {
      if (p === '/queue' && req.method === 'GET') {
        tidy();
        const limit = Number(u.searchParams.get('limit') ?? 50), from = u.searchParams.get('cursor') ? order.indexOf(Number(u.searchParams.get('cursor'))) + 1 : 0, items = order.slice(from, from + limit).map((id, i) => item(id, from + i));
        json(res, 200, { version, waiting: order.length, paused, items, next: from + limit < order.length ? String(items.at(-1).id) : null, undos: undos.map((x) => ({ id: x.id, by: 'mira', at: iso(Date.now()), until: iso(Date.now() + 600_000), tests: x.was.length })) });
        return true;
      }
      const op = /^\/queue\/(\w+)$/.exec(p)?.[1];
      if (!op || req.method !== 'POST' || !Object.hasOwn(ops, op)) return false;
      tidy();
      if (body.version && body.version !== version) { error(res, 409, 'CONFLICT', `the queue changed since version ${body.version}: look again`, { field: 'version' }); return true; }
      const r = ops[op](body);
      if (r.status) { error(res, r.status, 'INVALID', r.message, { field: r.field }); return true; }
      version++;
      json(res, 200, { version, waiting: order.length, paused, done: r.done, passed_over: r.passed ?? 0, undo: r.undo ?? null });
      told();
      return true;
    },
  };
}
