/**
 * The checksum of a key: a Reed–Solomon code over GF(32) with five check symbols. Unlike a hash it promises: any five wrong
 * symbols (so any one group) and any swap are found without exception, and one wrong symbol is located.
 */
export const checkLength = 5;
/** Longest word, check symbols included. */
export const maxLength = 31;

// Powers of the generator under x^5 + x^2 + 1.
const exp: number[] = [];
const log: number[] = new Array(32).fill(0);
for (let i = 0, x = 1; i < 31; i++) {
  exp.push(x);
  log[x] = i;
  x <<= 1;
  if (x & 32) x ^= 0b100101;
}
const power = (i: number) => exp[((i % 31) + 31) % 31] ?? 0;
const logOf = (a: number) => log[a] ?? 0;
const times = (a: number, b: number) => (a === 0 || b === 0 ? 0 : power(logOf(a) + logOf(b)));

/** The polynomial with the roots α¹ … α⁵, highest degree first, without its leading 1. */
const generator = (() => {
  let poly = [1];
  for (let root = 1; root <= checkLength; root++) {
    const next = [...poly, 0];
    poly.forEach((c, i) => {
      next[i + 1] = (next[i + 1] ?? 0) ^ times(c, power(root));
    });
    poly = next;
  }
  return poly.slice(1);
})();

/** The five check symbols of some data symbols. */
export function checkSymbols(data: readonly number[]): number[] {
  let rest: number[] = new Array(checkLength).fill(0);
  for (const symbol of data) {
    const lead = symbol ^ (rest[0] ?? 0);
    rest = generator.map((g, i) => (rest[i + 1] ?? 0) ^ times(g, lead));
  }
  return rest;
}

/** `true` for a sound word; otherwise where the fault is if just one symbol is wrong, or `undefined` if more are. */
export function checkWord(word: readonly number[]): { sound: true } | { sound: false; at: number | undefined } {
  const syndromes = Array.from({ length: checkLength }, (_, j) =>
    word.reduce((sum, symbol, i) => sum ^ times(symbol, power((j + 1) * (word.length - 1 - i))), 0),
  );
  if (syndromes.every((s) => s === 0)) return { sound: true };
  // One wrong symbol of degree d makes S(j) = e·α^(jd): each syndrome is the one before times α^d.
  const [first = 0, second = 0] = syndromes;
  if (first === 0 || second === 0) return { sound: false, at: undefined };
  const degree = (logOf(second) - logOf(first) + 31) % 31;
  const geometric = syndromes.every((s, j) => j === 0 || s === times(syndromes[j - 1] ?? 0, power(degree)));
  return { sound: false, at: geometric && degree < word.length ? word.length - 1 - degree : undefined };
}
