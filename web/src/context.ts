import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { Api } from './api.ts';
import type { Text } from './text/text.ts';
import { createText } from './text/text.ts';

export const TextContext = createContext<Text>(createText('en'));
/** Words, numbers and times in the person's language. */
export const useText = (): Text => useContext(TextContext);

/** What every view may use. */
export interface Shell {
  readonly api: Api;
  /** Tells what was done, by a line that also screen readers say. */
  say(message: string): void;
}
export const ShellContext = createContext<Shell | undefined>(undefined);
export function useShell(): Shell {
  const shell = useContext(ShellContext);
  if (shell === undefined) throw new Error('a view stands outside of the shell');
  return shell;
}
