// The stand-in's causes, comparisons and stability, after docs/http-api.md, worked out of the examples that it has.
import { createHash } from 'node:crypto';

export function insight({ launches, runs, examples, tests, send }) {
  const bad = (x) => x.status === 'failed' || x.status === 'error';
  const title = (x) => `${x.message ?? x.exception}`.split('\n')[0].replace(/\d+/g, 'N');
  const hex = (x) => createHash('sha256').update(title(x)).digest('hex').slice(0, 16);
  for (const x of examples) if (bad(x)) x.cause = hex(x);
  const of = (launch) => examples.filter((x) => runs.get(x.run)?.launch === launch);
  function causes(launch) {
    const all = new Map(), mine = of(launch).filter(bad), before = [...launches.values()].filter((l) => l.id < launch).sort((a, b) => a.id - b.id);
    for (const x of mine) {
      x.cause ??= hex(x);
      const first = before.find((l) => of(l.id).some((y) => bad(y) && hex(y) === x.cause)), r = runs.get(x.run);
      let c = all.get(x.cause);
      if (!c) all.set(x.cause, (c = { cause: x.cause, title: title(x), exception: x.exception ?? '', frame: x.backtrace?.find((l) => l.startsWith('./')) ?? '', count: 0, runs: new Set(), files: new Set(), first_seen: { launch: first?.id ?? launch, run: x.run, at: (first ?? launches.get(launch)).created_at }, servers: new Set(), known: !!first, examples: [] }));
      c.count++; c.runs.add(x.run); c.files.add(r.path); c.servers.add(r.server?.name ?? '');
      if (c.examples.length < 5) c.examples.push({ run: x.run, seq: x.seq, path: r.path, description: x.path.join(' ') });
    }
    return { launch, failures: mine.length, n_causes: all.size, causes: [...all.values()].map((c) => ({ ...c, runs: c.runs.size, files: c.files.size, servers: [...c.servers] })).sort((a, b) => b.count - a.count) };
  }
  function compare(id, other, what) {
    const l = launches.get(id), w = other ? launches.get(Number(other)) : [...launches.values()].filter((x) => x.id < id && x.state === 'done').at(-1);
    if (!w) return { launch: id, with: null, why: 'there is no earlier launch of this project to compare with', counts: { new: 0, known: 0, fixed: 0, flaky: 0, gone: 0 }, items: [], next: null };
    const key = (x) => x.path.at(-1) ?? '', here = of(id), there = of(w.id), items = [];
    const put = (k, x, y) => items.push({ what: k, path: runs.get((x ?? y).run).path, description: (x ?? y).path.join(' '), run: x?.run ?? null, seq: x?.seq ?? null, cause: x?.cause ?? null, before: y ? { run: y.run } : null });
    const had = new Map(there.map((y) => [key(y), y]));
    for (const x of here.filter(bad)) { const y = had.get(key(x)); put(y && bad(y) ? 'known' : 'new', x, y); }
    for (const y of there.filter(bad)) { const x = here.find((z) => key(z) === key(y)); if (!x) put('gone', null, y); else if (x.status === 'passed') put('fixed', x, y); }
    const counts = { new: 0, known: 0, fixed: 0, flaky: 0, gone: 0 };
    for (const i of items) counts[i.what]++;
    return { launch: l.id, with: { id: w.id, name: w.name, state: w.state, outcome: w.outcome, ref: w.ref, commit: w.commit, created_at: w.created_at, ended_at: w.ended_at }, why: other ? 'you named it' : 'the one before of this project', counts, items: items.filter((i) => !what || i.what === what), next: null };
  }
  function answer({ u, p, req, res, json, error }) {
    const m = /^\/launches\/(\d+)\/(causes|compare)$/.exec(p), ok = (b) => { json(res, 200, b); return true; };
    if (req.method !== 'GET') return false;
    if (m) {
      const id = Number(m[1]);
      if (!launches.has(id)) { error(res, 404, 'NOTFOUND', `there is no launch ${id}`); return true; }
      return ok(m[2] === 'causes' ? causes(id) : compare(id, u.searchParams.get('with'), u.searchParams.get('what')));
    }
    return false;
  }
  return { answer, causes, compare, sendCauses: (id) => send([`launch:${id}`], 'causes', causes(id)) };
}
