import { useEffect, useState } from 'preact/hooks';
import type { ServerStatus } from '../../../licence/serverStatus.ts';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { type Column, DataTable } from '../../shared/parts/dataTable.tsx';
import { Field } from '../../shared/parts/field.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { ReasonDialog } from '../../shared/parts/reasonDialog.tsx';
import { refusalOf, useResource } from '../../shared/useResource.ts';
import type { LeaseFilter } from '../api.ts';
import { useShell, useText } from '../context.ts';
import { holderText } from '../logic/holderText.ts';
import { formatRoute } from '../logic/route.ts';
import { type Lease, type LeasePage, leaseStates } from '../wire.ts';

const fields = ['product', 'base', 'user', 'host', 'state'] as const;

export function Seats({ status, query, onChanged }: { status: ServerStatus; query: LeaseFilter; onChanged(): void }) {
  const text = useText();
  const { t } = text;
  const { api, say } = useShell();
  const [further, setFurther] = useState<readonly LeasePage[]>([]);
  const [moreRefusal, setMoreRefusal] = useState<Refusal>();
  const [releasing, setReleasing] = useState<Lease | 'stale'>();
  const key = JSON.stringify(fields.map((f) => query[f] ?? ''));
  // Once further pages are shown the list no longer refreshes by itself: that would fetch all of them again.
  const first = useResource(key, () => api.leases(query), further.length === 0 ? 15_000 : undefined);
  // Another question makes the further pages meaningless.
  useEffect(() => setFurther([]), [key]);

  const pages = first.data ? [first.data, ...further] : [];
  const leases = pages.flatMap((p) => p.leases);
  const cursor = pages.at(-1)?.nextCursor;
  const filtered = fields.some((f) => (query[f] ?? '') !== '');
  const staleCount = status.products
    .filter((p) => !query.product || p.product === query.product)
    .reduce((sum, p) => sum + p.seatsStale, 0);

  const more = async () => {
    try {
      const page = await api.leases(query, cursor);
      setFurther((old) => [...old, page]);
      setMoreRefusal(undefined);
    } catch (error) {
      setMoreRefusal(refusalOf(error));
    }
  };
  const changed = async (message: string) => {
    setReleasing(undefined);
    say(message);
    setFurther([]);
    onChanged();
    await first.reload();
    document.querySelector<HTMLElement>('main h1')?.focus(); // the button that was used is gone
  };

  const reasonWords = {
    reason: t('release.reason'),
    hint: t('release.reasonHint'),
    missing: t('release.reasonMissing'),
  };
  return (
    <>
      <div class="bar">
        <div>
          <h1 tabIndex={-1}>{t('seats.title')}</h1>
          <p class="lead">{t('seats.lead')}</p>
        </div>
        <button type="button" disabled={staleCount === 0} onClick={() => setReleasing('stale')}>
          {t('seats.releaseStale')}
          {staleCount > 0 && ` (${text.number(staleCount)})`}
        </button>
      </div>
      <Filter status={status} query={query} leases={leases} />
      {first.refusal && <RefusalNotice refusal={first.refusal} onRetry={first.reload} />}
      {!first.data && !first.refusal && <p class="empty">{t('app.loading')}</p>}
      {first.data && leases.length === 0 && <p class="empty">{t(filtered ? 'seats.noneFiltered' : 'seats.none')}</p>}
      {leases.length > 0 && (
        <>
          <DataTable
            caption={t('seats.table')}
            columns={columnsOf(text, setReleasing)}
            rows={leases}
            keyOf={(l) => l.leaseId}
            busy={!first.settled}
          />
          <p class="hint" role="status">
            {t('seats.found', { n: leases.length })}
          </p>
        </>
      )}
      {moreRefusal && <RefusalNotice refusal={moreRefusal} onRetry={more} />}
      {cursor !== undefined && (
        <button type="button" onClick={more}>
          {t('app.more')}
        </button>
      )}
      {releasing === 'stale' && (
        <ReasonDialog
          title={t('release.staleTitle')}
          text={t('release.staleText', { n: staleCount })}
          action={t('release.do')}
          words={reasonWords}
          onClose={() => setReleasing(undefined)}
          onReason={async (reason) => {
            const { released } = await api.releaseStale(reason, query.product);
            await changed(released === 0 ? t('release.staleNone') : t('release.staleDone', { n: released }));
          }}
        />
      )}
      {releasing !== undefined && releasing !== 'stale' && (
        <ReasonDialog
          title={t('release.title')}
          text={t('release.text', { who: holderText(releasing.holder), product: releasing.product })}
          action={t('release.do')}
          words={reasonWords}
          onClose={() => setReleasing(undefined)}
          onReason={async (reason) => {
            await api.releaseLease(releasing.leaseId, reason);
            await changed(t('release.done', { who: holderText(releasing.holder) }));
          }}
        />
      )}
    </>
  );
}

function columnsOf(text: ReturnType<typeof useText>, onRelease: (lease: Lease) => void): Column<Lease>[] {
  const { t } = text;
  return [
    { head: t('seats.user'), names: true, class: 'name', cell: (l) => l.holder.user || t('app.none') },
    { head: t('seats.base'), class: 'name', cell: (l) => l.holder.base || t('app.none') },
    {
      head: t('seats.host'),
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
          <small>{t(`seats.mode.${l.mode}`)}</small>
          {l.reservation && <small>{t('seats.reservation', { name: l.reservation })}</small>}
        </>
      ),
    },
    { head: t('seats.since'), cell: (l) => text.moment(l.acquiredAt) },
    {
      head: t('seats.renewed'),
      cell: (l) => <span title={text.moment(l.renewedAt)}>{text.relative(l.renewedAt, Date.now())}</span>,
    },
    {
      head: t('seats.actions'),
      class: 'actions',
      cell: (l) => (
        <button
          type="button"
          aria-label={t('seats.releaseOf', { who: holderText(l.holder) })}
          onClick={() => onRelease(l)}
        >
          {t('seats.release')}
        </button>
      ),
    },
  ];
}

/** The filter lives in the address, so that it can be linked and survives a reload. */
function Filter({ status, query, leases }: { status: ServerStatus; query: LeaseFilter; leases: readonly Lease[] }) {
  const { t } = useText();
  const [typed, setTyped] = useState<Record<string, string>>({});
  const value = (name: (typeof fields)[number]) => typed[name] ?? query[name] ?? '';
  const set = (name: string, text: string) => setTyped((old) => ({ ...old, [name]: text }));

  useEffect(() => {
    if (Object.keys(typed).length === 0) return;
    const timer = setTimeout(() => {
      location.replace(formatRoute('seats', { ...query, ...typed }));
      setTyped({});
    }, 300);
    return () => clearTimeout(timer);
  }, [typed, query]);

  const select = (name: 'product' | 'state', options: readonly (readonly [string, string])[]) => (
    <Field label={t(`seats.${name}`)}>
      {(a) => (
        <select {...a} value={value(name)} onChange={(e) => set(name, e.currentTarget.value)}>
          <option value="">{t(name === 'product' ? 'seats.anyProduct' : 'seats.any')}</option>
          {options.map(([v, label]) => (
            <option key={v} value={v}>
              {label}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
  return (
    <search class="filter" aria-label={t('seats.filter')}>
      {select(
        'product',
        status.products.map((p) => [p.product, p.product]),
      )}
      {(['user', 'base', 'host'] as const).map((name) => (
        <Field key={name} label={t(`seats.${name}`)}>
          {(a) => (
            <>
              <input
                {...a}
                type="search"
                autocomplete="off"
                placeholder={t('seats.exact')}
                list={`${a.id}-known`}
                value={value(name)}
                onInput={(e) => set(name, e.currentTarget.value)}
              />
              <datalist id={`${a.id}-known`}>
                {[...new Set(leases.map((l) => l.holder[name]))].sort().map((known) => (
                  <option key={known} value={known} />
                ))}
              </datalist>
            </>
          )}
        </Field>
      ))}
      {select(
        'state',
        leaseStates.map((s) => [s, t(`seats.state.${s}`)]),
      )}
      {fields.some((f) => value(f) !== '') && (
        <a class="button" href={formatRoute('seats')}>
          {t('seats.clear')}
        </a>
      )}
    </search>
  );
}
