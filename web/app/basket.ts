/** What is being put together on the compose screen, by project. It outlives the screen, not the tab: variables may be secret. */
import { signal, type Signal } from './signal';
import type { Tree } from '../core/types';

export interface Basket {
  ticked: Set<string>; env: string; name: string; soonest: boolean;
  /** Entries of a list that was loaded, until the tree is there to look them up in; then those it lacks. */
  patterns: string[]; missing: string[]; list: { id: number; name: string; mine: boolean } | null;
  tree: Tree | null; treeRef: string;
  /** Faults by control: a sentence each. */
  wrong: Record<string, string>;
  /** Counts changes of the above. */
  rev: Signal<number>;
}
const baskets = new Map<number, Basket>();
export function basket(project: number): Basket {
  let b = baskets.get(project);
  if (!b) baskets.set(project, (b = { ticked: new Set(), env: '', name: '', soonest: false, patterns: [], missing: [], list: null, tree: null, treeRef: '', wrong: {}, rev: signal(0) }));
  return b;
}

/** What was chosen last, for the next time; never variables. */
interface Last { project?: string; refs?: Record<number, string>; loc?: string; url?: string; browsers?: string[]; languages?: string[] }
let last: Last | null = null;
export function remembered(change?: Last): Last {
  if (!last) { try { last = JSON.parse(localStorage.getItem('compose') ?? '{}') as Last; } catch { last = {}; } }
  if (change) {
    last = { ...last, ...change };
    try { localStorage.setItem('compose', JSON.stringify(last)); } catch { /* private mode: for this tab alone */ }
  }
  return last;
}
