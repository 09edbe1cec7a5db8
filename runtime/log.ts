import { type Logger, type LoggerOptions, pino } from 'pino';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Structured JSON lines on standard output, or on standard error where the output is for a person. Values under the redacted names never reach a line, at any level.
 * @param program stands in every line as `program`
 */
export function createLog(program: string, level: LogLevel, to: 'stdout' | 'stderr' = 'stdout'): Logger {
  const options: LoggerOptions = {
    level,
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ['*.authorization', '*.token', '*.key', '*.keys', '*.password', 'req.headers', 'headers.authorization'],
      censor: '[redacted]',
    },
  };
  return to === 'stdout' ? pino(options) : pino(options, pino.destination({ dest: 2, sync: true }));
}
