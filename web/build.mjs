// Builds the page into web/dist: index.html, assets with hashed names, each with what is served of it (.gz), and manifest.json with what was made.
import zopfli from '@gfx/zopfli';
import swc from '@swc/core';
import esbuild from 'esbuild';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';

const root = path.dirname(fileURLToPath(import.meta.url));
const at = (...p) => path.join(root, ...p);
const dist = at('dist'), made = at(`node_modules/.dist-${process.pid}`);
fs.rmSync(made, { recursive: true, force: true });
fs.mkdirSync(path.join(made, 'assets'), { recursive: true });

const names = {};
function put(name, bytes) {
  const { name: stem, ext } = path.parse(name);
  const hash = createHash('sha256').update(bytes).digest('hex').slice(0, 10);
  names[name] = `/assets/${stem}.${hash}${ext}`;
  fs.writeFileSync(path.join(made, names[name]), bytes);
}
const fill = (text, pattern) => text.replace(pattern, (_, name) => {
  if (!names[name]) throw new Error(`nothing is called ${name}`);
  return names[name];
});
const common = { absWorkingDir: root, bundle: true, minify: true, write: false, target: 'es2022', legalComments: 'none', logLevel: 'warning' };

for (const font of ['inter/files/inter-latin-wght-normal.woff2', 'jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2'])
  put(path.basename(font), fs.readFileSync(at('node_modules/@fontsource-variable', font)));
put('icon.svg', fs.readFileSync(at('assets/icon.svg')));
put('theme.js', Buffer.from((await esbuild.transform(fs.readFileSync(at('assets/theme.js'), 'utf8'), { minify: true })).code));

const css = await esbuild.build({ ...common, entryPoints: ['css/app.css'], external: ['*.woff2'], outfile: 'app.css' });
put('app.css', Buffer.from(fill(css.outputFiles[0].text, /@([\w.-]+\.woff2)@?/g)));

// The page comes in few chunks: one of what several parts of it need, and one for each part in app/groups/. Left to itself esbuild
// makes a chunk for every set of parts that share something, and what is compressed in small pieces is a tenth larger. So a first
// pass finds what is shared, and in the second every part names all of it. esbuild writes the hashes, since the chunks name one another.
const code = {
  ...common, entryPoints: ['app/main.tsx'], format: 'esm', splitting: true, outdir: 'assets', entryNames: '[name].[hash]', chunkNames: '[name].[hash]',
  jsx: 'transform', jsxFactory: 'jsxElement', jsxFragment: 'jsxFragment', inject: ['app/h.ts'], tsconfigRaw: '{}',   // shorter than the calls of the automatic way
  define: { 'process.env.NODE_ENV': '"production"' }, metafile: true,
  banner: { js: `/*${swc.version}*/` },                               // who names things anew below is in the hashes, too
};
// swc gives the same short names again and again, which compresses better than esbuild's, and finds a little that esbuild does not.
const rename = async (text) => (await swc.minify(text, { module: true, ecma: 2022, compress: { passes: 3, ecma: 2022, toplevel: true, sequences: 0 }, mangle: { toplevel: true } })).code;
// The shared worker comes first: the page names it.
put('hub.js', Buffer.from(await rename((await esbuild.build({ ...common, entryPoints: ['app/hub.ts'], format: 'esm', outdir: 'assets', tsconfigRaw: '{}' })).outputFiles[0].text)));
code.define.HUB = JSON.stringify(names['hub.js']);
code.external = [names['hub.js']];
const parts = fs.readdirSync(at('app/groups')).map((f) => `app/groups/${f}`);
const shared = Object.entries((await esbuild.build(code)).metafile.outputs).filter(([, o]) => !parts.includes(o.entryPoint)).flatMap(([, o]) => Object.keys(o.inputs))
  .filter((f) => f !== 'app/main.tsx' && f !== 'app/h.ts').sort().concat('app/main.tsx');
const js = await esbuild.build({
  ...code, logOverride: { 'ignored-bare-import': 'silent' },
  plugins: [{ name: 'shared', setup: (b) => b.onLoad({ filter: /\/app\/(groups\/\w+\.ts|main\.tsx)$/ }, ({ path: f }) => ({ contents: shared.filter((s) => at(s) !== f).map((s) => `import ${JSON.stringify(at(s))};\n`).join('') + fs.readFileSync(f, 'utf8'), loader: path.extname(f).slice(1) })) }],
});
// All of main.tsx is shared, so what is called after it only names that chunk, which the page then loads itself.
const outputs = js.metafile.outputs, only = (list) => { if (list.length !== 1) throw new Error(`one file was expected: ${list.join(', ')}`); return list[0]; };
const entry = only(Object.keys(outputs).filter((f) => outputs[f].entryPoint === 'app/main.tsx')), first = only(outputs[entry].imports.map((i) => i.path)), address = (f) => `/assets/${path.basename(f)}`;
names['main.js'] = address(first);
for (const f of js.outputFiles) {
  const name = Object.keys(outputs).find((o) => path.basename(o) === path.basename(f.path));
  if (name === entry) continue;
  if (name !== first) names[path.basename(name)] = address(name);
  fs.writeFileSync(path.join(made, address(name)), await rename(f.text));
}

fs.writeFileSync(path.join(made, 'index.html'), fill(fs.readFileSync(at('assets/index.html'), 'utf8'), /@([\w.-]+)@/g));

// What is served: gzip as zopfli makes it, a twenty-fifth smaller than zlib's best. Fonts are compressed in themselves.
const files = {};
for (const f of ['/index.html', ...Object.values(names)].sort()) {
  const bytes = fs.readFileSync(path.join(made, f));
  const gz = f.endsWith('.woff2') ? zlib.gzipSync(bytes, { level: 9 }) : Buffer.from(await zopfli.gzipAsync(bytes, { numiterations: 15 }));
  if (!zlib.gunzipSync(gz).equals(bytes)) throw new Error(`${f} is not what was compressed`);
  fs.writeFileSync(path.join(made, `${f}.gz`), gz);
  files[f] = { bytes: bytes.length, gzip: gz.length };
}
// What the budgets of the page are about: JavaScript of the first look and of all screens, CSS.
const sum = (fs) => fs.reduce((n, f) => n + files[f].gzip, 0);
const size = { first: sum([address(first), names['hub.js']]), js: sum(Object.keys(files).filter((f) => f.endsWith('.js'))), css: sum(Object.keys(files).filter((f) => f.endsWith('.css'))) };
fs.writeFileSync(path.join(made, 'manifest.json'), `${JSON.stringify({ names, files, size }, null, 1)}\n`);
fs.rmSync(dist, { recursive: true, force: true });
fs.renameSync(made, dist);
for (const [f, s] of Object.entries(files)) console.log(`${f}  ${s.bytes}  gzip ${s.gzip}`);
console.log(`gzip: first look ${size.first}, all JavaScript ${size.js}, CSS ${size.css}`);
