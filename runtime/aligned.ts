/** Columns side by side, three spaces apart, as kubectl has them; no line ends in a space. The first row says how many columns there are. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  const line = (row: readonly string[]) => row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('   ');
  return rows.map((row) => line(row).trimEnd()).join('\n');
}
