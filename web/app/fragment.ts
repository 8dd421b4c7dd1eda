/** The secret of a one-time link: read from the address and taken out of it before anything else looks at the address. */
import { signal } from './signal';

export const linkToken = signal('');
function take(): void {
  if (location.pathname.replace(/\/$/, '') !== '/welcome' || location.hash.length < 2) return;
  linkToken.value = location.hash.slice(1);
  history.replaceState(null, '', location.pathname);
}
take();
addEventListener('hashchange', take);
