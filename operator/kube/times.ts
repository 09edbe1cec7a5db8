/** `2026-01-02T03:04:05Z`, as Kubernetes writes a `Time`. */
export const timestamp = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/** `2026-01-02T03:04:05.678000Z`, as Kubernetes demands of a `MicroTime`: exactly six digits. */
export const microTime = (ms: number): string => `${new Date(ms).toISOString().slice(0, -1)}000Z`;
