import { useCallback, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiRefused } from './call.ts';
import type { Refusal } from './logic/refusal.ts';

export interface Resource<T> {
  /** The newest good answer; stays while later attempts fail, and while the answer to a changed question is awaited. */
  readonly data: T | undefined;
  /** Whether `data` (or `refusal`) answers the question as it is now. */
  readonly settled: boolean;
  /** When `data` arrived, ms since the epoch. */
  readonly at: number;
  /** Why the last attempt failed; undefined once one succeeds. */
  readonly refusal: Refusal | undefined;
  reload(): Promise<void>;
}

export const refusalOf = (error: unknown): Refusal =>
  error instanceof ApiRefused ? error.refusal : { status: 0, reason: 'Unknown', detail: String(error) };

/**
 * Loads something now, when `key` changes, and then every `everyMs` while the page can be seen (and at once when it is seen again).
 * An answer that arrives after a newer question is dropped.
 */
export function useResource<T>(key: string, load: () => Promise<T>, everyMs: number | undefined): Resource<T> {
  const [state, setState] = useState<{ key: string; data: T | undefined; at: number; refusal: Refusal | undefined }>({
    key,
    data: undefined,
    at: 0,
    refusal: undefined,
  });
  const newest = useRef<{ load: () => Promise<T>; asked: number; key?: string }>({ load, asked: 0 });
  newest.current.load = load;

  const reload = useCallback(async () => {
    const mine = ++newest.current.asked;
    try {
      const data = await newest.current.load();
      if (mine === newest.current.asked) setState({ key, data, at: Date.now(), refusal: undefined });
    } catch (error) {
      if (mine !== newest.current.asked) return;
      const refusal = refusalOf(error);
      setState((old) => ({ key, data: old.key === key ? old.data : undefined, at: old.at, refusal }));
    }
  }, [key]);

  // Asks before the browser paints what stands there meanwhile: the answer is on its way while it does.
  useLayoutEffect(() => {
    const { current } = newest;
    if (current.key !== key) void reload();
    current.key = key;
    if (everyMs === undefined) return;
    const tick = () => {
      if (document.visibilityState === 'visible') void reload();
    };
    const timer = setInterval(tick, everyMs);
    document.addEventListener('visibilitychange', tick);
    return () => {
      clearInterval(timer);
      document.removeEventListener('visibilitychange', tick);
    };
  }, [key, reload, everyMs]);

  const settled = state.key === key && (state.data !== undefined || state.refusal !== undefined);
  return { data: state.data, settled, at: state.at, refusal: state.refusal, reload };
}
