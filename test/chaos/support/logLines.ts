/** How many lines of a level a server has logged. */
export const linesOf = (output: string, level: 'info' | 'warn' | 'error'): number =>
  output.split('\n').filter((line) => line.includes(`"level":"${level}"`)).length;
