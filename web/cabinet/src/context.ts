import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { useText as useSharedText } from '../../shared/context.ts';
import type { Api } from './api.ts';
import type { Text } from './text/text.ts';
import type { SignedInPerson } from './wire.ts';

/** Words, numbers and times in the person's language: the page provides its own text, which has the shared words too. */
export const useText = (): Text => useSharedText() as unknown as Text;

/** What every view of somebody who is signed in may use. */
export interface Shell {
  readonly api: Api;
  readonly person: SignedInPerson;
  /** Asks anew who is signed in, and as what. */
  reload(): Promise<void>;
  /** Tells what was done, by a line that also screen readers say. */
  say(message: string): void;
}
export const ShellContext = createContext<Shell | undefined>(undefined);
export function useShell(): Shell {
  const shell = useContext(ShellContext);
  if (shell === undefined) throw new Error('a view stands outside of the shell');
  return shell;
}
