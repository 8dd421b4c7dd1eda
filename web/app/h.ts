/** What the build turns JSX into, under names that nothing else has. */
export { Fragment as jsxFragment, h as jsxElement } from 'preact';
