/** A screen whose code comes when it is opened first; a way on when it cannot be had. */
import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { ApiError } from '../api';
import { Failed, Skeleton } from './basics';

export function lazy<P extends object>(load: () => Promise<ComponentType<P>>): (props: P) => preact.JSX.Element {
  let Got: ComponentType<P> | null = null;
  return function Lazy(props: P) {
    const [, draw] = useState(0), [error, setError] = useState<ApiError | null>(null), [tries, again] = useState(0);
    useEffect(() => {
      if (Got) return;
      let alive = true;
      load().then((c) => { Got = c; if (alive) draw((n) => n + 1); }, () => { if (alive) setError(new ApiError(0, 'OFFLINE', 'Its code could not be had: the server cannot be reached, or is a newer one. Reload the page then.')); });
      return () => { alive = false; };
    }, [tries]);
    if (Got) return <Got {...props} />;
    return error ? <Failed error={error} what="The page" retry={() => { setError(null); again(tries + 1); }} /> : <Skeleton rows={8} />;
  };
}
