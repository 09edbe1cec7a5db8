import type { ComponentChildren } from 'preact';

export interface Column<Row> {
  readonly head: string;
  cell(row: Row): ComponentChildren;
  /** Names the row for screen readers; one column a table. */
  readonly names?: boolean;
  readonly class?: string;
  /** The name of the order by this column; absent: it cannot be ordered by. */
  readonly sort?: string;
}

export interface Order {
  /** The name of an order, with `-` before it the other way round; undefined: the list's own. */
  readonly sort: string | undefined;
  onSort(sort: string): void;
}

/** A table that turns into cards on a narrow screen; each cell carries its column's name for that. */
export function DataTable<Row>(props: {
  caption: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  keyOf(row: Row): string;
  busy?: boolean;
  order?: Order;
}) {
  const { caption, columns, rows, keyOf, busy, order } = props;
  return (
    <table class={busy ? 'busy' : ''} aria-busy={busy === true}>
      <caption class="unseen">{caption}</caption>
      <thead>
        <tr>
          {columns.map((c) => (
            <Head key={c.head} column={c} order={order} />
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

/** The head of a column; of one that can be ordered by, a button: first up, then down. */
function Head<Row>({ column, order }: { column: Column<Row>; order: Order | undefined }) {
  const { head, sort } = column;
  if (sort === undefined || order === undefined) {
    return (
      <th scope="col" class={column.class}>
        {head}
      </th>
    );
  }
  const way = order.sort === sort ? 'ascending' : order.sort === `-${sort}` ? 'descending' : undefined;
  return (
    <th scope="col" class={column.class} {...(way === undefined ? {} : { 'aria-sort': way })}>
      {/* on a phone the heads are unseen, and a button that is not seen must not get the focus */}
      <span class="narrow-only">{head}</span>
      <button
        type="button"
        class="sort wide-only"
        onClick={() => order.onSort(way === 'ascending' ? `-${sort}` : sort)}
      >
        {head}
        <span aria-hidden="true">{way === 'ascending' ? ' ↑' : way === 'descending' ? ' ↓' : ''}</span>
      </button>
    </th>
  );
}
