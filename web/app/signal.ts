/**
 * Values that the page watches. A component that reads `.value` while it renders is drawn again when the value changes, and a component
 * that reads any is otherwise drawn only when its properties change. `peek()` reads without watching. This is the part of
 * @preact/signals that the page has a use for, in a fifth of its size; it hangs on the same hooks of Preact, whose version is fixed.
 */
import { Component, options } from 'preact';

interface Watcher { from: Set<Cell<unknown>>; run: () => void }
export interface Signal<T> { value: T; peek(): T }
let reader: Watcher | null = null;

class Cell<T> implements Signal<T> {
  watchers = new Set<Watcher>();
  constructor(private now: T) {}
  peek(): T { return this.now; }
  get value(): T {
    if (reader) { this.watchers.add(reader); reader.from.add(this as Cell<unknown>); }
    return this.now;
  }
  set value(next: T) {
    if (next === this.now) return;
    this.now = next;
    for (const w of [...this.watchers]) w.run();
  }
}
export const signal = <T>(first: T): Signal<T> => new Cell(first);

function drop(w: Watcher): void { for (const s of w.from) s.watchers.delete(w); w.from.clear(); }
/** Runs now, and again when a value that it read changes; until what it returns is called. */
export function effect(run: () => void): () => void {
  const w: Watcher = { from: new Set(), run: () => { drop(w); const had = reader; reader = w; try { run(); } finally { reader = had; } } };
  w.run();
  return () => drop(w);
}

/* What Preact calls around a component: before any node, before its render, after it, when it goes, when it throws. */
interface Watching extends Component { watcher?: Watcher; told?: boolean }
type Node = { __c?: Watching };
const hooks = options as unknown as Record<string, (node: Node, ...rest: unknown[]) => void>;
function before(name: string, mine: (node: Node) => void): void {
  const theirs = hooks[name];
  hooks[name] = (...all) => { mine(all[0]); theirs?.(...all); };
}
const nobody = (): void => { reader = null; };
for (const name of ['__b', 'diffed', '__e']) before(name, nobody);
before('__r', (node) => {
  const c = node.__c!, w = (c.watcher ??= { from: new Set(), run: () => { c.told = true; c.setState({}); } });
  drop(w);
  c.told = false;
  reader = w;
});
before('unmount', (node) => { if (node.__c?.watcher) drop(node.__c.watcher); });

Component.prototype.shouldComponentUpdate = function (this: Watching, next: object): boolean {
  if (this.told || !this.watcher?.from.size) return true;
  const had = this.props as Record<string, unknown>, now = next as Record<string, unknown>;
  for (const k in now) if (now[k] !== had[k]) return true;
  for (const k in had) if (!(k in now)) return true;
  return false;
};
