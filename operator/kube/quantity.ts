const binary: Readonly<Record<string, bigint>> = {
  Ki: 2n ** 10n,
  Mi: 2n ** 20n,
  Gi: 2n ** 30n,
  Ti: 2n ** 40n,
  Pi: 2n ** 50n,
  Ei: 2n ** 60n,
};
const decimalExponent: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
};
const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])|[eE]([+-]?\d{1,2}))?$/;

/**
 * A Kubernetes quantity (`500m`, `0.5`, `1Gi`) in billionths, rounded up as the API server does; undefined if the text is
 * none. Equal amounts are equal however they are written.
 */
export function quantityOf(text: string): bigint | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, sign, whole = '', fraction = '', suffix = '', exponent] = match;
  if (whole === '' && fraction === '') return undefined;
  const digits = BigInt(`${whole}${fraction}`);
  const factor = binary[suffix] ?? 1n;
  const power = 9 - fraction.length + (exponent === undefined ? (decimalExponent[suffix] ?? 0) : Number(exponent));
  const scaled = digits * factor;
  const nano = power >= 0 ? scaled * 10n ** BigInt(power) : ceilDivide(scaled, 10n ** BigInt(-power));
  return sign === '-' ? -nano : nano;
}

/** Whether a quantity is more than another one; what is none counts as nothing. */
export const isMore = (text: string, than: string): boolean => (quantityOf(text) ?? 0n) > (quantityOf(than) ?? 0n);

const ceilDivide = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;
