/** RFC 3339 UTC with whole seconds, the form of every moment in activations and answers. `ms` since the epoch. */
export const momentOf = (ms: number): string =>
  new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
