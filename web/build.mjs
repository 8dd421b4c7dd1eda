// Builds the page into web/dist: index.html, assets with hashed names, and manifest.json with what was made.
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
};
const parts = fs.readdirSync(at('app/groups')).map((f) => `app/groups/${f}`);
const shared = Object.entries((await esbuild.build(code)).metafile.outputs).filter(([, o]) => !parts.includes(o.entryPoint)).flatMap(([, o]) => Object.keys(o.inputs))
  .filter((f) => f !== 'app/main.tsx' && f !== 'app/h.ts').sort();
const js = await esbuild.build({
  ...code, logOverride: { 'ignored-bare-import': 'silent' },
  plugins: [{ name: 'shared', setup: (b) => b.onLoad({ filter: /\/app\/(groups\/\w+\.ts|main\.tsx)$/ }, ({ path: f }) => ({ contents: shared.map((s) => `import ${JSON.stringify(at(s))};\n`).join('') + fs.readFileSync(f, 'utf8'), loader: path.extname(f).slice(1) })) }],
});
for (const f of js.outputFiles) fs.writeFileSync(path.join(made, 'assets', path.basename(f.path)), f.contents);
const outputs = js.metafile.outputs, entry = Object.keys(outputs).find((f) => outputs[f].entryPoint === 'app/main.tsx');
const first = new Set([entry]);                                       // what the first look loads
for (const f of first) for (const i of outputs[f].imports) if (i.kind === 'import-statement') first.add(i.path);
const address = (f) => `/assets/${path.basename(f)}`;
names['main.js'] = address(entry);
for (const f of Object.keys(outputs)) if (f !== entry) names[path.basename(f)] = address(f);
const preloads = [...first].filter((f) => f !== entry).map((f) => `<link rel="modulepreload" href="${address(f)}">`).join('\n');

fs.writeFileSync(path.join(made, 'index.html'), fill(fs.readFileSync(at('assets/index.html'), 'utf8').replace('<!-- preloads -->', preloads), /@([\w.-]+)@/g));

const files = {};
for (const f of ['/index.html', ...Object.values(names)].sort()) {
  const bytes = fs.readFileSync(path.join(made, f));
  files[f] = { bytes: bytes.length, gzip: f.endsWith('.woff2') ? bytes.length : zlib.gzipSync(bytes, { level: 9 }).length };
}
// What the budgets of the page are about: JavaScript of the first look and of all screens, CSS.
const sum = (fs) => fs.reduce((n, f) => n + files[f].gzip, 0);
const size = { first: sum([...first].map(address)), js: sum(Object.keys(files).filter((f) => f.endsWith('.js'))), css: sum(Object.keys(files).filter((f) => f.endsWith('.css'))) };
fs.writeFileSync(path.join(made, 'manifest.json'), `${JSON.stringify({ names, files, size }, null, 1)}\n`);
fs.rmSync(dist, { recursive: true, force: true });
fs.renameSync(made, dist);
for (const [f, s] of Object.entries(files)) console.log(`${f}  ${s.bytes}  gzip ${s.gzip}`);
console.log(`gzip: first look ${size.first}, all JavaScript ${size.js}, CSS ${size.css}`);
