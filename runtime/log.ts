import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * Structured JSON lines on standard output. Values under the redacted names never reach a line, at any level.
 * @param program stands in every line as `program`
 */
export function createLog(program: string, level: LogLevel): Logger {
  return pino({
    level,
    base: { program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    redact: {
      paths: ['*.authorization', '*.token', '*.key', '*.keys', '*.password', 'req.headers', 'headers.authorization'],
      censor: '[redacted]',
    },
  });
}
