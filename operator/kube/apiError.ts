/** What the API server says of a refused request (a `Status` object, read leniently). */
export interface ApiStatus {
  readonly status: number;
  /** As in `metav1.StatusReason`: `NotFound`, `Conflict`, `AlreadyExists`, `Invalid`, `Expired`, …; empty if unknown. */
  readonly reason: string;
  readonly message: string;
  readonly retryAfterSeconds: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;
}

/** A request that the API server refused. A request that never got an answer throws another error. */
export class ApiError extends Error {
  readonly status: number;
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;
  readonly details: Readonly<Record<string, unknown>> | undefined;

  /** @param what `PATCH /api/v1/…`: the request, without its query */
  constructor(what: string, status: ApiStatus) {
    super(`${what}: ${status.status} ${status.reason}: ${status.message}`);
    this.name = 'ApiError';
    this.status = status.status;
    this.reason = status.reason;
    this.retryAfterSeconds = status.retryAfterSeconds;
    this.details = status.details;
  }
}

const isStatus = (error: unknown, status: number): boolean => error instanceof ApiError && error.status === status;

export const isNotFound = (error: unknown): boolean => isStatus(error, 404);
export const isForbidden = (error: unknown): boolean => isStatus(error, 403);
/** Someone else changed the object first, or a precondition did not hold. */
export const isConflict = (error: unknown): boolean => isStatus(error, 409) && !isAlreadyExists(error);
export const isAlreadyExists = (error: unknown): boolean =>
  isStatus(error, 409) && error instanceof ApiError && error.reason === 'AlreadyExists';
/** The history asked for is gone (resource version or continue token too old). */
export const isGone = (error: unknown): boolean => isStatus(error, 410);
/** The object breaks a rule of its schema, or changes an immutable field. */
export const isInvalid = (error: unknown): boolean => isStatus(error, 422);

/**
 * The object cannot even be read as one of its kind (a list where a text must be, a quantity that is none). Server-side
 * apply answers that with 500, as if the fault were the server's; the message is all that tells.
 */
export const isUnreadable = (error: unknown): boolean =>
  isStatus(error, 400) ||
  (isStatus(error, 500) &&
    /failed to (create typed|convert new object)|unable to convert unstructured/.test((error as ApiError).message));

/** Reads a `Status` body; `retryAfterHeader` in seconds wins over the body's. */
export function readStatus(status: number, body: unknown, retryAfterHeader?: string): ApiStatus {
  const object = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
  const details =
    typeof object.details === 'object' && object.details !== null
      ? (object.details as Record<string, unknown>)
      : undefined;
  const header = retryAfterHeader === undefined ? Number.NaN : Number(retryAfterHeader);
  const inBody = details?.retryAfterSeconds;
  return {
    status,
    reason: typeof object.reason === 'string' ? object.reason : '',
    message: typeof object.message === 'string' ? object.message : textOf(body),
    retryAfterSeconds: Number.isFinite(header) ? header : typeof inBody === 'number' ? inBody : undefined,
    details,
  };
}

const textOf = (body: unknown): string => (typeof body === 'string' ? body.slice(0, 300) : 'no message');
