/**
 * What our signatures are called in JOSE. All are Ed25519 (RFC 8032). `EdDSA` (RFC 8037) is the name that libraries know; RFC 9864
 * gave the same signature the name `Ed25519`, by which this product signed before: what stands under it stays valid.
 */
export const signatureAlgorithm = 'EdDSA';
export const signatureAlgorithms = [signatureAlgorithm, 'Ed25519'] as const;
export type SignatureAlgorithm = (typeof signatureAlgorithms)[number];

/** Whether a header or a public key names our signature. */
export const isSignatureAlgorithm = (alg: unknown): alg is SignatureAlgorithm =>
  signatureAlgorithms.some((name) => name === alg);
