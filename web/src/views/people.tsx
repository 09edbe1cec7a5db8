import { type Column, DataTable } from '../../shared/parts/dataTable.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { usePages } from '../../shared/usePages.ts';
import { useShell, useText } from '../context.ts';
import { formatRoute } from '../logic/route.ts';
import type { Person } from '../wire.ts';
import { isFiltered, type SeatQuery } from './seatFilter.tsx';

/** Who holds how many seats: one row a person, which leads to the seats. */
export function People({ query }: { query: SeatQuery }) {
  const text = useText();
  const { t } = text;
  const { api } = useShell();
  const { product = '', search = '' } = query;
  const list = usePages(`${product}\n${search}`, (cursor) => api.people({ product, search }, cursor), 15_000);
  const people = list.pages.flatMap((page) => page.people);
  const { first } = list;
  return (
    <>
      {first.refusal && <RefusalNotice refusal={first.refusal} onRetry={first.reload} />}
      {!first.data && !first.refusal && <p class="empty">{t('app.loading')}</p>}
      {first.data && people.length === 0 && (
        <p class="empty">{t(isFiltered({ product, search }) ? 'seats.noneFiltered' : 'seats.none')}</p>
      )}
      {people.length > 0 && (
        <>
          <DataTable
            caption={t('people.table')}
            columns={columnsOf(text, query)}
            rows={people}
            keyOf={(p) => p.user}
            busy={!first.settled}
          />
          <p class="hint" role="status">
            {t('people.found', { n: people.length })}
          </p>
        </>
      )}
      {list.moreRefusal && <RefusalNotice refusal={list.moreRefusal} onRetry={list.more} />}
      {list.more && (
        <button type="button" onClick={list.more}>
          {t('app.more')}
        </button>
      )}
    </>
  );
}

function columnsOf(text: ReturnType<typeof useText>, query: SeatQuery): Column<Person>[] {
  const { t, number } = text;
  const shared = (name: string | undefined) => name ?? t('people.several');
  return [
    {
      head: t('seats.user'),
      names: true,
      class: 'name',
      cell: (p) => <a href={formatRoute('seats', { ...query, by: '', user: p.user })}>{p.user || t('app.none')}</a>,
    },
    {
      head: t('people.seats'),
      cell: (p) => (
        <>
          <strong>{number(p.seats)}</strong>{' '}
          {p.stale > 0 && <small class="badge badge-stale">{t('people.stale', { n: p.stale })}</small>}
        </>
      ),
    },
    { head: t('seats.product'), class: 'name', cell: (p) => shared(p.product) },
    { head: t('seats.base'), class: 'name', cell: (p) => shared(p.base) },
    { head: t('seats.host'), class: 'name', cell: (p) => shared(p.host) },
    { head: t('seats.since'), cell: (p) => text.moment(p.since) },
    {
      head: t('seats.renewed'),
      cell: (p) => <span title={text.moment(p.renewedAt)}>{text.relative(p.renewedAt, Date.now())}</span>,
    },
  ];
}
