/**
 * A reader that has read enough (`… | head`) ends the program, as it ends others: without a word, with the status of SIGPIPE.
 * One call at the start of a program.
 */
export function endWithReader(): void {
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(141);
    });
}
