import { tokenInFragment } from './logic/route.ts';

/** What the browser keeps for the page: the token for the tab's life, language and appearance for good. */
const storedToken = 'licence.token';

/** Storage may be forbidden by the browser's settings; the page then forgets, and works. */
function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

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

export const preference = {
  get: (name: 'language' | 'theme'): string | null => attempt(() => localStorage.getItem(`licence.${name}`)) ?? null,
  set: (name: 'language' | 'theme', value: string): void => {
    attempt(() => localStorage.setItem(`licence.${name}`, value));
  },
};
