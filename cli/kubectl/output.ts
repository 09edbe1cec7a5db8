import { aligned } from '../../runtime/aligned.ts';
import { CommandFault, exitStatus } from './exitStatus.ts';

export const formats = ['table', 'wide', 'json', 'yaml', 'name'] as const;
export type Format = (typeof formats)[number];

/** Rows for a person, and the same as data for programs. */
export interface Answer {
  /** What `-o json` and `-o yaml` give. */
  readonly data: unknown;
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
  /** What `-o name` gives, a line each; absent: it has no names. */
  readonly names?: readonly string[];
  /** Stands instead of the table when there are no rows. */
  readonly empty: string;
}
export interface Column {
  readonly title: string;
  /** Only with `-o wide`. */
  readonly wide?: boolean;
}

/** What writes YAML, read only where it is asked for. */
export type ToYaml = (data: unknown) => string;

/** The text of an answer, ended by a line feed. @throws when the answer has no names and names are asked for */
export function textOf(answer: Answer, format: Exclude<Format, 'yaml'> | ToYaml): string {
  if (format === 'json') return `${JSON.stringify(answer.data, undefined, 2)}\n`;
  if (typeof format === 'function') return format(answer.data);
  if (format === 'name') {
    if (answer.names === undefined)
      throw new CommandFault('-o name is not for this command', 'take table, wide, json or yaml', exitStatus.usage);
    return answer.names.map((name) => `${name}\n`).join('');
  }
  if (answer.rows.length === 0) return `${answer.empty}\n`;
  const shown = answer.columns.flatMap((column, at) => (column.wide && format !== 'wide' ? [] : [at]));
  const head = shown.map((at) => answer.columns[at]?.title ?? '');
  const body = answer.rows.map((row) => shown.map((at) => row[at] || '-'));
  return `${aligned([head, ...body])}\n`;
}

/** "12s", "5m", "3h", "2d": the largest unit, as kubectl has it; empty for a moment that is not known. */
export function ageOf(moment: string | undefined, nowMs: number): string {
  if (moment === undefined) return '';
  const seconds = Math.max(0, Math.floor((nowMs - Date.parse(moment)) / 1_000));
  if (Number.isNaN(seconds)) return '';
  if (seconds < 120) return `${seconds}s`;
  if (seconds < 7_200) return `${Math.floor(seconds / 60)}m`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3_600)}h`;
  return `${Math.floor(seconds / 86_400)}d`;
}
