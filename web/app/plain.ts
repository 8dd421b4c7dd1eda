/** What a browser shows beside the text of the page, hints and names for those who listen: no name turns it around either. */
import { options } from 'preact';
import { visible } from '../core/fmt';

const before = options.vnode;
options.vnode = (node) => {
  const p = node.props as Record<string, unknown>;
  if (typeof node.type === 'string') for (const a of ['title', 'aria-label']) if (typeof p[a] === 'string') p[a] = (p[a] as string).replace(/[\u200e-\u2069]/g, visible);
  before?.(node);
};
