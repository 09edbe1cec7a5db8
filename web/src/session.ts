import { attempt } from '../shared/preference.ts';
import { tokenInFragment } from './logic/route.ts';

/** What the browser keeps for the page beside the person's preferences: the token, for the tab's life. */
const storedToken = 'licence.token';

/** A token that arrived in the address: it is kept, and taken out of the address and its history entry. */
export function arrivedToken(): string | undefined {
  if (!location.hash.startsWith('#token=')) return undefined;
  const token = tokenInFragment(location.hash);
  history.replaceState(null, '', location.pathname);
  if (token !== undefined) keepToken(token);
  return token;
}

/** The token of this tab. */
export const storedTokenOf = (): string | undefined => attempt(() => sessionStorage.getItem(storedToken)) ?? undefined;

export function keepToken(token: string | undefined): void {
  attempt(() =>
    token === undefined ? sessionStorage.removeItem(storedToken) : sessionStorage.setItem(storedToken, token),
  );
}
