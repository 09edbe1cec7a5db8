/** What the server takes as the answer of an air-gapped activation: the members of the authority's ActivationResponse. */
export interface ActivationAnswer {
  /** Compact JWS. */
  readonly activation: string;
  readonly regenerationsLeft?: number;
  readonly regenerationsResetAt?: string;
}

const compactJws = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/** Reads a response file: the authority's JSON, or the bare activation. Undefined where it is neither. */
export function parseActivationAnswer(file: string): ActivationAnswer | undefined {
  const text = file.replace(/^\uFEFF/, '').trim();
  if (compactJws.test(text)) return { activation: text };
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof answer !== 'object' || answer === null) return undefined;
  const { activation, regenerationsLeft, regenerationsResetAt } = answer as Record<string, unknown>;
  if (typeof activation !== 'string' || !compactJws.test(activation)) return undefined;
  return {
    activation,
    ...(typeof regenerationsLeft === 'number' ? { regenerationsLeft } : {}),
    ...(typeof regenerationsResetAt === 'string' ? { regenerationsResetAt } : {}),
  };
}
