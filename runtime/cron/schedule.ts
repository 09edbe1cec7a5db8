/**
 * The five cron fields as CronJob takes them (robfig/cron 3.0.1, "standard" parser), so that a schedule means the same here and there.
 * What cron libraries read differently, or only some of them, is refused by name instead of being guessed.
 */
interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly words: readonly string[];
}
const months = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const weekdays = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const fields: readonly Field[] = [
  { name: 'minute', min: 0, max: 59, words: [] },
  { name: 'hour', min: 0, max: 23, words: [] },
  { name: 'day', min: 1, max: 31, words: [] },
  { name: 'month', min: 1, max: 12, words: months },
  // 7 is Sunday as well: CronJob refuses it, crontab takes it.
  { name: 'weekday', min: 0, max: 7, words: weekdays },
];

/** What is wrong with a schedule, in one sentence; undefined: nothing. Pure. */
export function scheduleFault(schedule: string): string | undefined {
  const texts = schedule.split(' ');
  if (texts.length !== fields.length) return 'it takes five fields: minute, hour, day, month, weekday';
  for (const [at, field] of fields.entries()) {
    const fault = fieldFault(field, texts[at] ?? '');
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function fieldFault(field: Field, text: string): string | undefined {
  for (const item of text.split(',')) {
    const fault = itemFault(field, item);
    if (fault !== undefined) return `${field.name} "${text}": ${fault}`;
  }
  return undefined;
}

function itemFault(field: Field, item: string): string | undefined {
  const [range = '', step, ...more] = item.split('/');
  if (more.length > 0) return 'it has more than one "/"';
  if (step !== undefined && !/^[1-9]\d*$/.test(step)) return 'what comes after "/" is a whole number from 1 on';
  if (range === '*' || (range === '?' && (field.name === 'day' || field.name === 'weekday'))) return undefined;
  const ends = range.split('-');
  if (ends.length > 2) return 'a range has two ends';
  const numbers = ends.map((end) => numberOf(field, end));
  for (const [at, number] of numbers.entries()) {
    const end = ends[at] ?? '';
    if (number === undefined)
      return isOfOthers(end)
        ? `"${end}" is not for every cron; list the days instead`
        : `"${end}" is nothing that it takes`;
    if (number < field.min || number > field.max) return `${end} is not between ${field.min} and ${field.max}`;
  }
  const [from = 0, to = from] = numbers;
  if (from > to)
    return `${range} goes backwards; write ${ends[0]}-${wordOf(field, lastOf(field))},${wordOf(field, field.min)}-${ends[1]}`;
  return undefined;
}

const lastOf = (field: Field): number => (field.name === 'weekday' ? 6 : field.max);
const wordOf = (field: Field, number: number): string =>
  field.words[number - (field.name === 'month' ? 1 : 0)] ?? String(number);
/** Last day, nearest working day, n-th weekday, and both days at once. */
const isOfOthers = (text: string): boolean => /^(\d*[LW]|LW|\w+[#].*|[+].*|\w+L)$/i.test(text);

function numberOf(field: Field, text: string): number | undefined {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const at = field.words.indexOf(text.toUpperCase());
  return at < 0 ? undefined : at + (field.name === 'month' ? 1 : 0);
}
