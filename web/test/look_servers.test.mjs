// Servers, lists and schedules in light and dark, wide and narrow: axe finds nothing, nothing scrolls sideways. WRATA_SHOTS keeps the pictures.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { check, open, overflow, shots, skip, soon } from './browser.mjs';
import { start } from './fake.mjs';

const fresh = async (t) => { const s = await start({ speed: 0 }); t.after(() => s.close()); return s; };
const byName = (s, name) => [...s.servers.values()].find((x) => x.name === name);

for (const scheme of ['light', 'dark']) test(`servers, lists and schedules in ${scheme}: axe, no sideways scroll`, { skip }, async (t) => {
  const s = await fresh(t), x = byName(s, 'qa-02');
  Object.assign(x, { health: { at: new Date().toISOString(), skew_ms: -7, skew_error_ms: 2, disk: { path: '/root/.wrata', free_bytes: 4e8, total_bytes: 8e10 }, tmp: null, load: 0.42, cores: 4, memory_available_bytes: 3.1e9, memory_total_bytes: 4.1e9, os: 'Debian GNU/Linux 12', kernel: 'Linux 6.1.0', tools: ['git 2.39.5', 'ruby 3.1.2p20'] }, booked_by: { id: 1, login: 'operator' } });
  s.fleet.fresh({ name: 'cloud-1', fleet: 'cloud', kind: 'digitalocean', status: 'creating', progress: 'the machine starts', link: 'offline', size: 'small' });
  const screens = { servers: ['/servers', '.servers li'], server: [`/servers/${x.id}`, '.facts dd'], lists: ['/lists', '.entries li'], list: ['/lists/11', '.prow'], schedules: ['/schedules', '.entries li'], schedule: ['/schedules/4', '.preview li'], add: ['/schedules?add=11', '.preview li'], projects: ['/admin/projects', '.entries li'], file: [`/files?project=1&path=${encodeURIComponent([...s.runs.values()][2].path)}`, '.trend'] };
  for (const width of [1440, 390]) {
    const page = await open(t, '/servers', { server: s, scheme, width, height: width < 500 ? 844 : 900 });
    for (const [name, [address, there]] of Object.entries(screens)) {
      await page.goto(s.url + address);
      await page.locator(there).first().waitFor();
      await page.evaluate(() => document.fonts.ready);
      await soon.deepEqual(() => check(page), [], `${name} ${width}`);
      await soon.ok(async () => await overflow(page) <= 0, `${name} scrolls sideways at ${width}`);
      await page.screenshot({ path: path.join(shots, `${name}-${scheme}-${width}.png`) });
    }
    await page.setViewportSize({ width: 360, height: 700 });
    await soon.ok(async () => await overflow(page) <= 0);
  }
});
