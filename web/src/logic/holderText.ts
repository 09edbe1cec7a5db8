import type { Holder } from '../../../licence/words.ts';

/** A holder in a few words: who, on what, in which infobase. */
export const holderText = (h: Holder): string =>
  [[h.user, h.host].filter(Boolean).join(' @ '), h.base].filter(Boolean).join(', ');
