/** A day as an input of type date says it, `2027-06-30`, as the moment at which it ends here; undefined: none was chosen. */
export function endOfDay(day: string): string | undefined {
  const [, year, month, date] = /^(\d{4})-(\d\d)-(\d\d)$/.exec(day) ?? [];
  if (year === undefined) return undefined;
  return new Date(Number(year), Number(month) - 1, Number(date), 23, 59, 59).toISOString();
}

/** The day here on which a moment lies, for such an input. */
export function dayOf(moment: string | undefined): string {
  if (moment === undefined) return '';
  const at = new Date(moment);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}
