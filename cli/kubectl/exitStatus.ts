/** What the program's exit status says; `--help` and the documentation list it. */
export const exitStatus = {
  /** Done; of a question: all is well. */
  ok: 0,
  /** It could not be told or done: no answer, a refusal, a name that does not exist. */
  failed: 1,
  /** It was told, and something is not well: a server that needs somebody, a rotation that was not proven. */
  unwell: 2,
  /** The caller lacks a right. */
  forbidden: 3,
  /** Nothing was done, since nobody said yes. */
  declined: 4,
  /** Wrong usage, as sysexits.h has it. */
  usage: 64,
} as const;
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];

/** What ends a command with a sentence: what is wrong, and what to do about it. */
export class CommandFault extends Error {
  readonly exit: ExitStatus;
  readonly todo: string | undefined;

  constructor(message: string, todo?: string, exit: ExitStatus = exitStatus.failed) {
    super(message);
    this.name = 'CommandFault';
    this.todo = todo;
    this.exit = exit;
  }
}
