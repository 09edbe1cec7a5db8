/** One thing that was looked at. */
export interface Finding {
  /** Stable, for programs. */
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  /** What was found, in one sentence. */
  readonly message: string;
  /** What to do about it; absent when all is well. */
  readonly todo?: string;
}

export const ok = (check: string, message: string): Finding => ({ check, state: 'ok', message });
export const warn = (check: string, message: string, todo: string): Finding => ({
  check,
  state: 'warn',
  message,
  todo,
});
export const fail = (check: string, message: string, todo: string): Finding => ({
  check,
  state: 'fail',
  message,
  todo,
});

/** 0 all is well, 1 something is worth a look, 2 something does not work. */
export const exitStatusOf = (findings: readonly Finding[]): number =>
  findings.some((f) => f.state === 'fail') ? 2 : findings.some((f) => f.state === 'warn') ? 1 : 0;

/** For a person: a line a finding, and below it what to do. */
export function findingsText(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map((f) => f.check.length));
  const lines = findings.flatMap((f) => [
    `${f.state.padEnd(4)}  ${f.check.padEnd(width)}  ${f.message}`,
    ...(f.todo === undefined ? [] : [`${' '.repeat(8 + width)}→ ${f.todo}`]),
  ]);
  const count = (state: Finding['state']) => findings.filter((f) => f.state === state).length;
  return `${lines.join('\n')}\n\n${count('ok')} ok, ${count('warn')} to look at, ${count('fail')} wrong\n`;
}
