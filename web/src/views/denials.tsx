import { useState } from 'preact/hooks';
import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { DataTable } from '../../shared/parts/dataTable.tsx';
import { Field } from '../../shared/parts/field.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { useResource } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { holderText } from '../logic/holderText.ts';
import { type Period, periodNames, rangeOf } from '../logic/periods.ts';
import { denialText } from '../logic/problemText.ts';
import { WhyDialog } from '../parts/whyDialog.tsx';
import type { Denial } from '../wire.ts';

/** The server's largest page. */
const mostRows = 1_000;

export function Denials({ status, query }: { status: ServerStatus; query: { readonly product?: string } }) {
  const text = useText();
  const { t, number, moment } = text;
  const { api } = useShell();
  const [product, setProduct] = useState(query.product ?? '');
  const [period, setPeriod] = useState<Period>('week');
  const [count, setCount] = useState(100);
  const [asked, setAsked] = useState<Denial>();
  const { data, refusal, settled, reload } = useResource(
    `${product}\n${period}\n${count}`,
    () => api.denials({ product, from: rangeOf(period, Date.now()).from, limit: count }),
    30_000,
  );
  return (
    <>
      <h1 tabIndex={-1}>{t('denials.title')}</h1>
      <p class="lead">{t('denials.lead')}</p>
      <search class="filter" aria-label={t('seats.filter')}>
        <Field label={t('seats.product')}>
          {(a) => (
            <select {...a} value={product} onChange={(e) => setProduct(e.currentTarget.value)}>
              <option value="">{t('seats.anyProduct')}</option>
              {status.products.map((p) => (
                <option key={p.product}>{p.product}</option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t('usage.range')}>
          {(a) => (
            <select {...a} value={period} onChange={(e) => setPeriod(e.currentTarget.value as Period)}>
              {periodNames.map((p) => (
                <option key={p} value={p}>
                  {t(`usage.range.${p}`)}
                </option>
              ))}
            </select>
          )}
        </Field>
      </search>
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!data && !refusal && <p class="empty">{t('app.loading')}</p>}
      {data && data.denials.length === 0 && <p class="empty">{t('denials.none')}</p>}
      {data && data.denials.length > 0 && (
        <DataTable<Denial>
          caption={t('denials.table')}
          rows={data.denials}
          keyOf={(d) => `${d.firstAt} ${d.product} ${d.reason} ${holderText(d.holder)}`}
          busy={!settled}
          columns={[
            { head: t('denials.at'), cell: (d) => moment(d.lastAt) },
            { head: t('denials.who'), names: true, cell: (d) => holderText(d.holder) || t('app.none') },
            { head: t('seats.product'), cell: (d) => d.product },
            {
              head: t('denials.reason'),
              cell: (d) => (
                <>
                  {denialText(d.reason, text)}{' '}
                  <button
                    type="button"
                    class="small"
                    onClick={() => setAsked(d)}
                    aria-label={t('why.of', { who: holderText(d.holder) })}
                  >
                    {t('why.ask')}
                  </button>
                </>
              ),
            },
            { head: t('denials.count'), cell: (d) => number(d.attempts) },
            {
              head: t('denials.outcome'),
              cell: (d) =>
                d.servedAt !== undefined ? (
                  <span class="badge badge-active">{t('denials.served')}</span>
                ) : (
                  <span class="badge badge-stale">{t('denials.unmet')}</span>
                ),
            },
          ]}
        />
      )}
      {asked && <WhyDialog product={asked.product} holder={asked.holder} onClose={() => setAsked(undefined)} />}
      {data?.nextCursor !== undefined && count < mostRows && (
        <button type="button" onClick={() => setCount(Math.min(count * 3, mostRows))}>
          {t('app.more')}
        </button>
      )}
    </>
  );
}
