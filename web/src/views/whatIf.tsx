import { useEffect, useRef, useState } from 'preact/hooks';
import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { Field } from '../../shared/parts/field.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { refusalOf } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { SimulationChart } from '../parts/simulationChart.tsx';
import type { Simulation } from '../wire.ts';

const periods = [7, 30, 90] as const;
type Outcome = {
  readonly result?: Simulation;
  readonly refusal?: ReturnType<typeof refusalOf>;
  readonly done?: number;
};

/** What the days before would have been with another number of seats: a slider, a chart, a sentence. */
export function WhatIf({ status, query }: { status: ServerStatus; query: { readonly product?: string } }) {
  const text = useText();
  const { t, number } = text;
  const { api } = useShell();
  const [product, setProduct] = useState(query.product ?? status.products[0]?.product ?? '');
  const [days, setDays] = useState<number>(30);
  const limit = status.products.find((p) => p.product === product)?.seatLimit ?? 0;
  const [seats, setSeats] = useState(limit);
  const [asked, setAsked] = useState(limit);
  const [outcome, setOutcome] = useState<Outcome>({});
  const [again, setAgain] = useState(0);
  const before = useRef<Promise<unknown>>(Promise.resolve());

  useEffect(() => {
    if (product === '') return;
    const stop = new AbortController();
    const progress = (done: number) => {
      if (!stop.signal.aborted) setOutcome((old) => ({ ...old, done }));
    };
    setOutcome((old) => ({ ...(old.result === undefined ? {} : { result: old.result }), done: 0 }));
    // one at a time: the one before ends first
    before.current = before.current.then(async () => {
      if (stop.signal.aborted) return;
      try {
        const result = await api.simulate({ product, days, seats: asked }, progress, stop.signal);
        if (!stop.signal.aborted) setOutcome({ result });
      } catch (error) {
        if (!stop.signal.aborted) setOutcome({ refusal: refusalOf(error) });
      }
    });
    return () => stop.abort();
  }, [product, days, asked, again]);

  const choose = (name: string) => {
    const own = status.products.find((p) => p.product === name)?.seatLimit ?? 0;
    setProduct(name);
    setSeats(own);
    setAsked(own);
    setOutcome({});
  };
  const { result, refusal, done } = outcome;
  const most = Math.max(limit * 2, (result?.needed ?? 0) + 1, 10);
  return (
    <>
      <h1 tabIndex={-1}>{t('whatIf.title')}</h1>
      <p class="lead">{t('whatIf.lead')}</p>
      <search class="filter" aria-label={t('whatIf.what')}>
        <Field label={t('seats.product')}>
          {(a) => (
            <select {...a} value={product} onChange={(e) => choose(e.currentTarget.value)}>
              {status.products.map((p) => (
                <option key={p.product}>{p.product}</option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t('usage.range')}>
          {(a) => (
            <select {...a} value={String(days)} onChange={(e) => setDays(Number(e.currentTarget.value))}>
              {periods.map((n) => (
                <option key={n} value={String(n)}>
                  {t('whatIf.days', { n })}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label={t('whatIf.seats', { seats: number(seats) })}>
          {(a) => (
            <input
              {...a}
              type="range"
              min="1"
              max={most}
              value={seats}
              aria-valuetext={number(seats)}
              onInput={(e) => setSeats(Number(e.currentTarget.value))}
              onChange={(e) => setAsked(Number(e.currentTarget.value))}
            />
          )}
        </Field>
      </search>
      {refusal && <RefusalNotice refusal={refusal} onRetry={async () => setAgain(again + 1)} />}
      {done !== undefined && (
        <p class="simulating" role="status">
          <progress value={done} max="1" aria-label={t('whatIf.playing')} /> {t('whatIf.playing')}
        </p>
      )}
      {result && <Result result={result} />}
    </>
  );
}

function Result({ result }: { result: Simulation }) {
  const { t, number } = useText();
  const { today, other, needed } = result;
  const sentence =
    other.refused === 0
      ? t('whatIf.nobody', { n: other.seats })
      : t('whatIf.some', { n: other.refused, seats: number(other.seats), needed: number(needed) });
  const rows = [
    ['whatIf.refused', today.refused, other.refused],
    ['whatIf.unmet', today.unmet, other.unmet],
    ['whatIf.peak', today.peak, other.peak],
    ['whatIf.waited', minutes(today.waitedSeconds), minutes(other.waitedSeconds)],
    ['whatIf.longest', minutes(today.longestWaitSeconds), minutes(other.longestWaitSeconds)],
  ] as const;
  return (
    <>
      <p class={`notice ${other.refused === 0 ? 'notice-ok' : 'notice-warning'}`} role="status">
        {sentence}
      </p>
      <SimulationChart result={result} />
      <table>
        <caption class="unseen">{t('whatIf.table')}</caption>
        <thead>
          <tr>
            <th scope="col">{t('whatIf.what')}</th>
            <th scope="col">{t('whatIf.today', { seats: number(today.seats) })}</th>
            <th scope="col">{t('whatIf.other', { seats: number(other.seats) })}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([key, a, b]) => (
            <tr key={key}>
              <th scope="row" data-label={t('whatIf.what')}>
                {t(key)}
              </th>
              <td data-label={t('whatIf.today', { seats: number(today.seats) })}>{number(a)}</td>
              <td data-label={t('whatIf.other', { seats: number(other.seats) })}>{number(b)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="quiet">{t('whatIf.how')}</p>
    </>
  );
}

const minutes = (seconds: number): number => Math.round(seconds / 60);
