import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

/**
 * What the address's fragment names. When its view changes, the view's heading gets the focus and the title tells it.
 * @param parse reads a fragment
 * @param title of the document while the route is shown
 */
export function useRoute<R extends { readonly view: string }>(
  parse: (hash: string) => R,
  title: (route: R) => string,
): R {
  const [hash, setHash] = useState(location.hash);
  const route = useMemo(() => parse(hash), [parse, hash]);
  const shown = useRef(route.view);
  useEffect(() => {
    const follow = () => setHash(location.hash);
    follow(); // effects run after the first paint: the address may be another one by then
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  const told = title(route);
  useEffect(() => {
    document.title = told;
    if (shown.current === route.view) return;
    shown.current = route.view;
    scrollTo(0, 0);
    document.querySelector<HTMLElement>('main h1')?.focus();
  }, [route.view, told]);
  return route;
}
