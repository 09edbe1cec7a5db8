import { useState } from 'preact/hooks';
import type { ProductStatus, ServerStatus } from '../../../licence/serverStatus.ts';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { Field } from '../../shared/parts/field.tsx';
import { Notice, RefusalNotice } from '../../shared/parts/notice.tsx';
import { saveFile } from '../../shared/saveFile.ts';
import { refusalOf, useResource } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { attentionOf, byUrgency, termState } from '../logic/attention.ts';
import { beginOf } from '../logic/chart.ts';
import { type Period, periodNames, rangeOf } from '../logic/periods.ts';
import { formatRoute } from '../logic/route.ts';
import { denialsOf, limitsOf, peaksOf } from '../logic/usageSeries.ts';
import { SeatMeter } from '../parts/seatMeter.tsx';
import { Sparkline } from '../parts/sparkline.tsx';
import { UsageChart } from '../parts/usageChart.tsx';
import type { ProductList, Usage } from '../wire.ts';
import { SinceYesterday } from './sinceYesterday.tsx';

export function Overview({ status, at }: { status: ServerStatus; at: number }) {
  const text = useText();
  const { t } = text;
  const { api } = useShell();
  const attention = attentionOf(status, text, at);
  const day = useResource(
    'day',
    async () => {
      const range = rangeOf('day', Date.now());
      return { ...range, usage: await api.usage(range.from, range.to, range.stepSeconds) };
    },
    60_000,
  );
  const lists = useResource('products', api.products, 15_000);
  const listOf = (product: string) => lists.data?.products.find((p) => p.product === product);
  return (
    <>
      <h1 tabIndex={-1}>{t('overview.title')}</h1>
      <section aria-labelledby="attention">
        <h2 id="attention" class={attention.length === 0 ? 'unseen' : ''}>
          {t('overview.attention')}
        </h2>
        {attention.length === 0 ? (
          <Notice level="ok">
            <p>{t('overview.calm')}</p>
          </Notice>
        ) : (
          <ul class="attention">
            {attention.map((a) => (
              <li key={a.text} class={`notice notice-${a.level}`}>
                <p>{a.text}</p>
                {a.link && <a href={a.link.href}>{a.link.text}</a>}
              </li>
            ))}
          </ul>
        )}
      </section>
      <section aria-labelledby="products">
        <h2 id="products">{t('overview.products')}</h2>
        {status.products.length === 0 ? (
          <p class="empty">
            {t('overview.noProducts')} <a href={formatRoute('keys')}>{t('overview.installKey')}</a>
          </p>
        ) : (
          <ul class="products">
            {byUrgency(status.products).map((p) => (
              <li key={p.product}>
                <ProductCard product={p} list={listOf(p.product)} now={at} day={day.data} />
              </li>
            ))}
          </ul>
        )}
        <p class="hint">{t('overview.updated', { at: text.clock(at) })}</p>
      </section>
      <SinceYesterday status={status} now={at} />
      {status.products.length > 0 && <UsageSection products={byUrgency(status.products).map((p) => p.product)} />}
    </>
  );
}

interface Day {
  readonly from: number;
  readonly to: number;
  readonly usage: Usage;
}

interface ProductCardProps {
  readonly product: ProductStatus;
  readonly list: ProductList['products'][number] | undefined;
  readonly now: number;
  readonly day: Day | undefined;
}

function ProductCard({ product: p, list, now, day }: ProductCardProps) {
  const { t, number, date } = useText();
  const full = p.seatsInUse >= p.seatLimit;
  const peaks = day ? peaksOf(day.usage, p.product) : [];
  const term = (until: string | undefined) => (
    <dd class={`term-${termState(until, now)}`}>{until === undefined ? t('overview.noTerm') : date(until)}</dd>
  );
  return (
    <article class="card product" aria-label={p.product}>
      <h3>{p.product}</h3>
      <p class="count">
        <strong class={full ? 'full' : ''}>{number(p.seatsInUse)}</strong> {t('overview.of', { limit: p.seatLimit })}{' '}
        {t('overview.inUse')}
      </p>
      <SeatMeter product={p} />
      <dl>
        <div>
          <dt>{t('overview.free')}</dt>
          <dd>{number(Math.max(0, p.seatLimit - p.seatsInUse))}</dd>
        </div>
        <div>
          <dt>{t('overview.stale')}</dt>
          <dd class={p.seatsStale > 0 ? 'stale' : ''}>{number(p.seatsStale)}</dd>
        </div>
        <div>
          <dt>{t('overview.waiting')}</dt>
          <dd class={p.holdersWaiting > 0 ? 'full' : ''}>{number(p.holdersWaiting)}</dd>
        </div>
        <div>
          <dt>{t('overview.support')}</dt>
          {term(p.supportUntil)}
        </div>
        <div>
          <dt>{t(p.trial ? 'overview.trial' : 'overview.expires')}</dt>
          {term(p.expiresAt)}
        </div>
        {p.seatsOverdrawn !== undefined && (
          <div>
            <dt>{t('overview.overdrawn')}</dt>
            <dd class="full">{number(p.seatsOverdrawn)}</dd>
          </div>
        )}
        {(list?.seatsBorrowed ?? 0) > 0 && (
          <div>
            <dt>{t('overview.borrowed')}</dt>
            <dd>{number(list?.seatsBorrowed ?? 0)}</dd>
          </div>
        )}
        {(list?.seatsLost ?? 0) > 0 && (
          <div>
            <dt>{t('overview.lost')}</dt>
            <dd class="stale">{number(list?.seatsLost ?? 0)}</dd>
          </div>
        )}
        {list?.rules?.map((r) => (
          <div key={r.name}>
            <dt>{t('overview.rule', { name: r.name })}</dt>
            <dd>
              {number(r.inUse)} {t('overview.of', { limit: r.max })}
            </dd>
          </div>
        ))}
        {Object.entries(list?.weights ?? {}).map(([name, weight]) => (
          <div key={name}>
            <dt>{t('overview.weight', { name })}</dt>
            <dd>{number(weight)}</dd>
          </div>
        ))}
        {list?.reservations.map((r) => (
          <div key={r.name}>
            <dt>{t('overview.reserved', { name: r.name })}</dt>
            <dd>
              {number(r.inUse)} {t('overview.of', { limit: r.seats })}
            </dd>
          </div>
        ))}
      </dl>
      {day && (
        <Sparkline
          points={peaks}
          stepMs={day.usage.stepSeconds * 1_000}
          limit={p.seatLimit}
          from={beginOf(peaks, day, day.usage.stepSeconds * 1_000)}
          to={day.to}
        />
      )}
      <p>
        <a href={formatRoute('seats', { product: p.product })} aria-label={`${t('overview.seeSeats')}: ${p.product}`}>
          {t('overview.seeSeats')}
        </a>
      </p>
    </article>
  );
}

function UsageSection({ products }: { products: readonly string[] }) {
  const { t, number, moment } = useText();
  const { api } = useShell();
  const [chosen, setChosen] = useState<string>();
  const [period, setPeriod] = useState<Period>('day');
  const product = chosen !== undefined && products.includes(chosen) ? chosen : (products[0] ?? '');
  const { data, refusal, settled, reload } = useResource(
    `${product}\n${period}`,
    async () => {
      const range = rangeOf(period, Date.now());
      return { ...range, product, usage: await api.usage(range.from, range.to, range.stepSeconds, product) };
    },
    60_000,
  );
  const points = data ? peaksOf(data.usage, data.product) : [];
  const [csvRefusal, setCsvRefusal] = useState<Refusal>();
  const download = async () => {
    const range = rangeOf(period, Date.now());
    try {
      const csv = await api.usageCsv(range.from, range.to, range.stepSeconds, product);
      saveFile(`usage-${product}.csv`, csv, 'text/csv');
      setCsvRefusal(undefined);
    } catch (error) {
      setCsvRefusal(refusalOf(error));
    }
  };
  return (
    <section aria-labelledby="usage" class="card usage">
      <div class="bar">
        <h2 id="usage">{t('usage.title')}</h2>
        <div class="bar-fields">
          {products.length > 1 && (
            <Field label={t('usage.product')}>
              {(a) => (
                <select {...a} value={product} onChange={(e) => setChosen(e.currentTarget.value)}>
                  {products.map((p) => (
                    <option key={p}>{p}</option>
                  ))}
                </select>
              )}
            </Field>
          )}
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
        </div>
      </div>
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {data && points.length === 0 && <p class="empty">{t('usage.empty')}</p>}
      {data && points.length > 0 && (
        <div class={settled ? 'stack' : 'stack busy'}>
          <UsageChart
            product={data.product}
            points={points}
            limits={limitsOf(data.usage, data.product)}
            denials={denialsOf(data.usage, data.product)}
            stepMs={data.usage.stepSeconds * 1_000}
            from={beginOf(points, data, data.usage.stepSeconds * 1_000)}
            to={data.to}
          />
          <button type="button" onClick={download}>
            {t('usage.csv')}
          </button>
          {csvRefusal && <RefusalNotice refusal={csvRefusal} />}
          <details>
            <summary>{t('usage.table')}</summary>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
            <section class="scroll" tabIndex={0} aria-label={t('usage.table')}>
              <table class="plain">
                <thead>
                  <tr>
                    <th scope="col">{t('usage.time')}</th>
                    <th scope="col">{t('usage.inUse')}</th>
                    <th scope="col">{t('usage.limit')}</th>
                    <th scope="col">{t('usage.denials')}</th>
                  </tr>
                </thead>
                <tbody>
                  {data.usage.points
                    .filter((p) => p.product === data.product)
                    .toReversed()
                    .map((p) => (
                      <tr key={p.at}>
                        <th scope="row">{moment(p.at)}</th>
                        <td>{number(p.peak)}</td>
                        <td>{number(p.seatLimit)}</td>
                        <td>{number(p.denied)}</td>
                      </tr>
                    ))}
                </tbody>
              </table>
            </section>
          </details>
        </div>
      )}
    </section>
  );
}
