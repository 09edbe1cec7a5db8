/**
 * Gives back what a start needed and a running program does not: V8 has grown its young space while everything was loaded and keeps
 * code that never runs again, for as long as nothing happens. Only where Node was started with `--expose-gc`, as in the images. It
 * stops the program for tens of milliseconds: before anybody is served.
 */
export function giveBackStart(): void {
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
}
