import type { Piece } from './readHistory.ts';

type Events = Extract<Piece, { readonly kind: 'events' }>;

/** A seat is taken: one of the licence, or one beyond its limit. All other codes are seats given back. */
const isGrant = (code: string | undefined): boolean => code === 'G' || code === 'O';

/**
 * Calls back for each event of a piece, by time, and of one moment those first that give seats back. Nothing is made for an event but its holder.
 * @param then the holder, whether it takes a seat, and when in ms
 */
export function eachEvent(
  { fromMs, n, text }: Pick<Events, 'fromMs' | 'n' | 'text'>,
  then: (holder: string, comes: boolean, atMs: number) => void,
): void {
  const us = new Float64Array(n);
  /** Where the code of each one stands, and where its line ends. */
  const codeAt = new Uint32Array(n);
  const end = new Uint32Array(n);
  const order = (a: number, b: number): number =>
    (us[a] ?? 0) - (us[b] ?? 0) ||
    Number(isGrant(text[codeAt[a] ?? 0])) - Number(isGrant(text[codeAt[b] ?? 0])) ||
    a - b;
  let isOrdered = true;
  for (let i = 0, at = 0; i < n; i++) {
    const newline = text.indexOf('\n', at);
    const to = newline < 0 ? text.length : newline;
    let t = 0;
    for (let c = text.charCodeAt(at); c >= 48 && c <= 57; c = text.charCodeAt(++at)) t = t * 10 + c - 48;
    us[i] = t;
    codeAt[i] = at;
    end[i] = to;
    at = to + 1;
    if (isOrdered && i > 0 && order(i - 1, i) > 0) isOrdered = false;
  }
  const sorted = isOrdered ? undefined : Uint32Array.from({ length: n }, (_, i) => i).sort(order);
  for (let k = 0; k < n; k++) {
    const i = sorted?.[k] ?? k;
    const at = codeAt[i] ?? 0;
    then(text.slice(at + 1, end[i]), isGrant(text[at]), fromMs + Math.floor((us[i] ?? 0) / 1_000));
  }
}
