/** At least so long, when the moment asked for has passed and nothing has changed since it was asked for. */
const nothingChangedMs = 30_000;

/**
 * When a pass that asked to be looked at again comes again. Pure. A moment that has come is due at once if the pass changed
 * something: the next one decides from that. If it changed nothing, the next one would decide the same, and so on without
 * end: that is a mistake of whoever computed the moment, and costs a pass every half a minute instead of a core.
 * @param atMs the moment asked for; undefined: none, only a change brings the next pass
 * @param hasChanged whether this pass wrote what the next one decides from
 * @returns after how many milliseconds, and whether the moment was a mistake
 */
export function wakeAfter(
  nowMs: number,
  atMs: number | undefined,
  hasChanged: boolean,
): { readonly afterMs: number; readonly isMistake: boolean } | undefined {
  if (atMs === undefined) return undefined;
  if (atMs > nowMs) return { afterMs: atMs - nowMs, isMistake: false };
  return hasChanged ? { afterMs: 1, isMistake: false } : { afterMs: nothingChangedMs, isMistake: true };
}
