import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { en } from './text/en.ts';
import { createText, type Text } from './text/text.ts';

/** The words that every page says; a page's own text has more. */
export type SharedText = Text<typeof en>;

export const TextContext = createContext<SharedText>(createText<typeof en>(en, 'en'));
/** Words, numbers and times in the person's language. */
export const useText = (): SharedText => useContext(TextContext);
