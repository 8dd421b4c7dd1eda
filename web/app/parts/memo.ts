import { Component, createElement, type ComponentChild, type FunctionComponent } from 'preact';
/** Skip rendering while every prop is identical: the one thing preact/compat would be needed for. */
export function memo<P extends object>(fn: FunctionComponent<P>): FunctionComponent<P> {
  return class extends Component<P> {
    shouldComponentUpdate(next: P): boolean {
      const a = this.props as Record<string, unknown>, b = next as Record<string, unknown>;
      for (const k in b) if (a[k] !== b[k]) return true;
      return false;
    }
    render(): ComponentChild { return createElement(fn as FunctionComponent<object>, this.props as object); }
  } as unknown as FunctionComponent<P>;
}
