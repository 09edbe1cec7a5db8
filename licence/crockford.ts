/** Crockford's base 32: no I, L, O or U, so that a key survives being read aloud, printed and typed. */
export const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Bits as symbols (0 to 31), most significant first; bits over a multiple of five are dropped. */
export function symbolsOf(bytes: Uint8Array): number[] {
  const symbols: number[] = [];
  let pending = 0;
  let bits = 0;
  for (const byte of bytes) {
    pending = (pending << 8) | byte;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      symbols.push((pending >> bits) & 31);
    }
    pending &= (1 << bits) - 1;
  }
  return symbols;
}

export const textOf = (symbols: readonly number[]): string => symbols.map((s) => alphabet[s]).join('');
