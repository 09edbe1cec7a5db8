/** The page's address after `#`: a view and its filter, so that a banner or a bookmark can lead to `#/seats?state=stale`. */
export const views = ['overview', 'seats', 'named', 'denials', 'whatIf', 'keys', 'about'] as const;
export type View = (typeof views)[number];

export interface Route {
  readonly view: View;
  readonly query: Readonly<Record<string, string>>;
}

/** Whatever the fragment says; an unknown one is the overview. */
export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const view = views.find((v) => v === path) ?? 'overview';
  return { view, query: Object.fromEntries(new URLSearchParams(search)) };
}

/** The fragment of a view; empty filter values are left out. */
export function formatRoute(view: View, query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  return `#/${view}${search === '' ? '' : `?${search}`}`;
}

/** Whether a text can be a token at all: what may stand in a header of HTTP. */
export const isToken = (text: string): boolean => /^[\x21-\x7e]{1,4096}$/.test(text);

/** The token that arrived as `#token=…`, and nothing else of the fragment. */
export function tokenInFragment(hash: string): string | undefined {
  if (!hash.startsWith('#token=')) return undefined;
  const token = new URLSearchParams(hash.slice(1)).get('token');
  return token !== null && isToken(token) ? token : undefined;
}
