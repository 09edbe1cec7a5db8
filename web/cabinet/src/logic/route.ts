/** The page's address after `#`: a view and its filter, or the way in: `#/invitation/TOKEN`, `#/sign-on/REASON`. */
export const viewsOf = {
  customer: ['keys', 'request', 'history', 'account'],
  vendor: ['customers', 'licences', 'people', 'history', 'account'],
} as const;
export type Role = keyof typeof viewsOf;
export type View = (typeof viewsOf)[Role][number];

export interface Route {
  /** Empty: the role's first one. */
  readonly view: View | 'invitation' | 'sign-on' | '';
  readonly query: Readonly<Record<string, string>>;
  /** What stands behind the view of a way in. */
  readonly rest: string;
}

const views: readonly string[] = [...viewsOf.customer, ...viewsOf.vendor, 'invitation', 'sign-on'];

/** Whatever the fragment says; an unknown one is the role's first view. */
export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view = '', rest = ''] = path.split('/', 2);
  return {
    view: views.includes(view) ? (view as Route['view']) : '',
    query: Object.fromEntries(new URLSearchParams(search)),
    rest,
  };
}

/** The view that somebody sees: one of the role's own. */
export const viewOf = (route: Route, role: Role): View =>
  viewsOf[role].find((view) => view === route.view) ?? viewsOf[role][0];

/** The fragment of a view; empty filter values are left out. */
export function formatRoute(view: View, query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== '')).toString();
  return `#/${view}${search === '' ? '' : `?${search}`}`;
}
