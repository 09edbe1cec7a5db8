import { useState } from 'preact/hooks';
import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { type Column, DataTable } from '../../shared/parts/dataTable.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { ReasonDialog } from '../../shared/parts/reasonDialog.tsx';
import { usePages } from '../../shared/usePages.ts';
import { useShell, useText } from '../context.ts';
import { holderText } from '../logic/holderText.ts';
import { formatRoute } from '../logic/route.ts';
import type { Lease } from '../wire.ts';
import { People } from './people.tsx';
import { isFiltered, SeatFilter, type SeatQuery } from './seatFilter.tsx';

/** Who holds seats: a row a seat, or a row a person. */
export function Seats({ status, query, onChanged }: { status: ServerStatus; query: SeatQuery; onChanged(): void }) {
  const text = useText();
  const { t, number } = text;
  const { api, say } = useShell();
  const [clearing, setClearing] = useState(false);
  const [clearings, setClearings] = useState(0);
  const staleCount = status.products
    .filter((p) => !query.product || p.product === query.product)
    .reduce((sum, p) => sum + p.seatsStale, 0);
  return (
    <>
      <div class="bar">
        <div>
          <h1 tabIndex={-1}>{t('seats.title')}</h1>
          <p class="lead">{t('seats.lead')}</p>
        </div>
        <button type="button" disabled={staleCount === 0} onClick={() => setClearing(true)}>
          {t('seats.releaseStale')}
          {staleCount > 0 && ` (${number(staleCount)})`}
        </button>
      </div>
      <SeatFilter status={status} query={query} />
      {query.by === 'person' ? (
        <People key={clearings} query={query} />
      ) : (
        <SeatList key={clearings} query={query} onChanged={onChanged} />
      )}
      {clearing && (
        <ReasonDialog
          title={t('release.staleTitle')}
          text={t('release.staleText', { n: staleCount })}
          action={t('release.do')}
          words={reasonWordsOf(text)}
          onClose={() => setClearing(false)}
          onReason={async (reason) => {
            const { released } = await api.releaseStale(reason, query.product);
            setClearing(false);
            say(released === 0 ? t('release.staleNone') : t('release.staleDone', { n: released }));
            setClearings((n) => n + 1);
            onChanged();
            focusHeading();
          }}
        />
      )}
    </>
  );
}

const reasonWordsOf = ({ t }: ReturnType<typeof useText>) => ({
  reason: t('release.reason'),
  hint: t('release.reasonHint'),
  missing: t('release.reasonMissing'),
});

/** The button that was used is gone, or about to go. */
const focusHeading = () => document.querySelector<HTMLElement>('main h1')?.focus();

function SeatList({ query, onChanged }: { query: SeatQuery; onChanged(): void }) {
  const text = useText();
  const { t } = text;
  const { api, say } = useShell();
  const [releasing, setReleasing] = useState<Lease>();
  const { by: _, ...filter } = query;
  const list = usePages(JSON.stringify(Object.entries(filter).sort()), (cursor) => api.leases(filter, cursor), 15_000);
  const { first } = list;
  const leases = list.pages.flatMap((page) => page.leases);
  return (
    <>
      {first.refusal && <RefusalNotice refusal={first.refusal} onRetry={first.reload} />}
      {!first.data && !first.refusal && <p class="empty">{t('app.loading')}</p>}
      {first.data && leases.length === 0 && (
        <p class="empty">{t(isFiltered(query) ? 'seats.noneFiltered' : 'seats.none')}</p>
      )}
      {leases.length > 0 && (
        <>
          <DataTable
            caption={t('seats.table')}
            columns={columnsOf(text, setReleasing)}
            rows={leases}
            keyOf={(l) => l.leaseId}
            busy={!first.settled}
            order={{
              sort: query.sort,
              onSort: (sort) => location.replace(formatRoute('seats', { ...query, sort })),
            }}
          />
          <p class="hint" role="status">
            {t('seats.found', { n: leases.length })}
          </p>
        </>
      )}
      {list.moreRefusal && <RefusalNotice refusal={list.moreRefusal} onRetry={list.more} />}
      {list.more && (
        <button type="button" onClick={list.more}>
          {t('app.more')}
        </button>
      )}
      {releasing?.mode === 'borrowed' && (
        <ReasonDialog
          title={t('writeOff.title')}
          text={t('writeOff.text', {
            who: holderText(releasing.holder),
            product: releasing.product,
            at: releasing.expiresAt === undefined ? '' : text.moment(releasing.expiresAt),
          })}
          action={t('writeOff.do')}
          words={reasonWordsOf(text)}
          onClose={() => setReleasing(undefined)}
          onReason={async (reason) => {
            await api.writeOffLease(releasing.leaseId, reason);
            setReleasing(undefined);
            say(t('writeOff.done', { who: holderText(releasing.holder) }));
            onChanged();
            await list.restart();
            focusHeading();
          }}
        />
      )}
      {releasing !== undefined && releasing.mode !== 'borrowed' && (
        <ReasonDialog
          title={t('release.title')}
          text={t('release.text', { who: holderText(releasing.holder), product: releasing.product })}
          action={t('release.do')}
          words={reasonWordsOf(text)}
          onClose={() => setReleasing(undefined)}
          onReason={async (reason) => {
            await api.releaseLease(releasing.leaseId, reason);
            setReleasing(undefined);
            say(t('release.done', { who: holderText(releasing.holder) }));
            onChanged();
            await list.restart();
            focusHeading();
          }}
        />
      )}
    </>
  );
}

function columnsOf(text: ReturnType<typeof useText>, onRelease: (lease: Lease) => void): Column<Lease>[] {
  const { t } = text;
  return [
    { head: t('seats.user'), sort: 'user', names: true, class: 'name', cell: (l) => l.holder.user || t('app.none') },
    { head: t('seats.base'), sort: 'base', class: 'name', cell: (l) => l.holder.base || t('app.none') },
    {
      head: t('seats.host'),
      sort: 'host',
      class: 'name',
      cell: (l) => (
        <>
          {l.holder.host || t('app.none')}
          {l.holder.session && <small>{` ${l.holder.session}`}</small>}
        </>
      ),
    },
    { head: t('seats.product'), class: 'name', cell: (l) => l.product },
    {
      head: t('seats.state'),
      cell: (l) => (
        <>
          <span class={`badge badge-${l.state}`}>{t(`seats.state.${l.state}`)}</span>{' '}
          <small>{t(`seats.mode.${l.mode}`, { at: l.expiresAt === undefined ? '' : text.moment(l.expiresAt) })}</small>{' '}
          {l.writtenOff && <small class="stale">{t('seats.writtenOff')}</small>}
          {l.idleSince && <small>{t('seats.idle', { at: text.moment(l.idleSince) })}</small>}{' '}
          {l.reservation && <small>{t('seats.reservation', { name: l.reservation })}</small>}{' '}
          {l.feature && <small>{t('seats.feature', { name: l.feature })}</small>}{' '}
          {l.seats !== undefined && <small>{t('seats.several', { n: l.seats })}</small>}{' '}
          {l.seat && <small>{t('seats.shared', { name: l.seat })}</small>}
        </>
      ),
    },
    { head: t('seats.since'), sort: 'acquiredAt', cell: (l) => text.moment(l.acquiredAt) },
    {
      head: t('seats.renewed'),
      sort: 'renewedAt',
      cell: (l) => <span title={text.moment(l.renewedAt)}>{text.relative(l.renewedAt, Date.now())}</span>,
    },
    {
      head: t('seats.actions'),
      class: 'actions',
      cell: (l) => (
        <button
          type="button"
          aria-label={t(l.mode === 'borrowed' ? 'seats.writeOffOf' : 'seats.releaseOf', { who: holderText(l.holder) })}
          disabled={l.writtenOff === true}
          onClick={() => onRelease(l)}
        >
          {t(l.mode === 'borrowed' ? 'seats.writeOff' : 'seats.release')}
        </button>
      ),
    },
  ];
}
