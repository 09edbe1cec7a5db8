import { readFileSync } from 'node:fs';
import { CommandFault } from './exitStatus.ts';

/** A file's text, or that of the standard input for "-". @throws CommandFault when it cannot be read, with the option that names it */
export function textOfFile(file: string, option = '--from-file'): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8');
  } catch (error) {
    throw new CommandFault(
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      `name a file with ${option}, or "-"`,
    );
  }
}
