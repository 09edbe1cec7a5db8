import type { ComponentChildren } from 'preact';

export interface Column<Row> {
  readonly head: string;
  cell(row: Row): ComponentChildren;
  /** Names the row for screen readers; one column a table. */
  readonly names?: boolean;
  readonly class?: string;
}

/** A table that turns into cards on a narrow screen; each cell carries its column's name for that. */
export function DataTable<Row>(props: {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf(row: Row): string;
  busy?: boolean;
}) {
  const { caption, columns, rows, keyOf, busy } = props;
  return (
    <table class={busy ? 'busy' : ''} aria-busy={busy === true}>
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          {columns.map((c) => (
            <th key={c.head} scope="col" class={c.class}>
              {c.head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={keyOf(row)}>
            {columns.map((c) =>
              c.names ? (
                <th key={c.head} scope="row" class={c.class} data-label={c.head}>
                  {c.cell(row)}
                </th>
              ) : (
                <td key={c.head} class={c.class} data-label={c.head}>
                  {c.cell(row)}
                </td>
              ),
            )}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
