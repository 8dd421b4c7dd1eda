/** The way between the tables of admins; others see what is theirs. */
import { isAdmin } from '../../core/account';
import { visible } from '../../core/fmt';
import { TABLES } from '../../core/route';
import { me } from '../who';

export const TITLES = { projects: 'Projects', locations: 'Locations', browsers: 'Browsers', languages: 'Languages', fleets: 'Fleets', hooks: 'Hooks', mails: 'Mail', jobs: 'Jobs', cost: 'Cost', retention: 'What is kept' } as const;
export type Title = keyof typeof TITLES;
const ALL: Title[] = [...TABLES, 'cost', 'retention'], MINE: Title[] = ['hooks', 'cost', 'retention'];
export const AdminNav = ({ at }: { at: Title }) =>
  <nav class="seg adminnav" aria-label="Tables">{(isAdmin(me.value) ? ALL : MINE).map((t) => <a key={t} class="btn small" href={`/admin/${t}`} aria-current={t === at ? 'page' : undefined}>{TITLES[t]}</a>)}</nav>;

export const text = (v: unknown): string => (v === null || v === undefined ? '' : typeof v === 'object' ? JSON.stringify(v) : String(v));
export const join = (...all: unknown[]): string => all.filter(Boolean).map((x) => visible(text(x))).join(' · ');
