const members = ['key', 'fingerprint', 'publicKey', 'sequence', 'requestedAt', 'signature'] as const;

/** Reads the request file of a licence server without a network; undefined where it is none. */
export function parseRequestFile(text: string): Readonly<Record<(typeof members)[number], unknown>> | undefined {
  let request: unknown;
  try {
    request = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch {
    return undefined;
  }
  if (typeof request !== 'object' || request === null) return undefined;
  const found = request as Record<(typeof members)[number], unknown>;
  return members.every((m) => found[m] !== undefined) ? found : undefined;
}
