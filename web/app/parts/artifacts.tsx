import { base, bytes, dir, exact, plural, visible } from '../../core/fmt';
import type { Artifact } from '../../core/types';

const at = (a: Artifact): string => `/api/v1/artifacts/${a.id}`;
const isImage = (a: Artifact): boolean => a.inline && a.type.startsWith('image/') && a.bytes > 0;
const ending = (a: Artifact): string => { const dot = base(a.path).lastIndexOf('.'); return dot > 0 ? base(a.path).slice(dot + 1).slice(0, 6) : 'file'; };

/** One file in a box whose size does not wait for it: an image as it is, anything else by its ending. */
function Box({ a }: { a: Artifact }) {
  const name = visible(base(a.path));
  return (
    <li class="artifact">
      {a.inline
        ? <a class="look" href={at(a)} target="_blank" rel="noopener noreferrer" title={visible(a.path)} aria-label={`Open ${name}`}>
            {isImage(a) ? <img src={at(a)} alt="" width={168} height={104} loading="lazy" decoding="async" /> : <span class="kind">{visible(ending(a))}</span>}
          </a>
        : <a class="look" href={at(a)} download={base(a.path)} title={visible(a.path)} aria-label={`Save ${name}`}><span class="kind">{visible(ending(a))}</span></a>}
      <span class="name" title={visible(a.path)}>{name}</span>
      <span class="faint num">{bytes(a.bytes)}</span>
      <a class="save" href={`${at(a)}?download=1`} download={base(a.path)} aria-label={`Save ${name}`}>Save</a>
    </li>
  );
}
/** Those of one example, below its failure. */
export function Kept({ items }: { items: Artifact[] }) {
  if (!items.length) return null;
  return <ul class="artifacts" aria-label="Files of this example">{items.map((a) => <Box key={a.id} a={a} />)}</ul>;
}
const byFolder = (items: Artifact[]): [string, Artifact[]][] => {
  const all = new Map<string, Artifact[]>();
  for (const a of items) { const d = dir(a.path), had = all.get(d); if (had) had.push(a); else all.set(d, [a]); }
  return [...all];
};
/** Those of a run, by their folders. */
export function Artifacts({ items, run, more }: { items: Artifact[]; run: number; more: boolean }) {
  const total = items.reduce((n, a) => n + a.bytes, 0);
  return (
    <div class="kept">
      <div class="bar-of">
        <span class="faint num">{plural(items.length, 'file')}, {bytes(total)}</span>
        <a class="btn small" href={`/api/v1/runs/${run}/artifacts.zip`} download={`run-${run}-artifacts.zip`}>Download all</a>
      </div>
      {byFolder(items).map(([folder, own]) => (
        <section key={folder}>
          <h2 class="path" title={exact(own[0].modified_at)}>{visible(folder) || './'}</h2>
          <ul class="artifacts">{own.map((a) => <Box key={a.id} a={a} />)}</ul>
        </section>
      ))}
      {more && <p class="faint">More files than are shown here: the download has all of them.</p>}
    </div>
  );
}
