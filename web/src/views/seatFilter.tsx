import { useEffect, useState } from 'preact/hooks';
import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { Field } from '../../shared/parts/field.tsx';
import { useText } from '../context.ts';
import { formatRoute } from '../logic/route.ts';
import { leaseOrders, leaseStates } from '../wire.ts';

/** What the address of the seats may say; each is empty or absent where it does not matter. */
export interface SeatQuery {
  readonly search?: string;
  readonly product?: string;
  readonly state?: string;
  /** Whole names: where a link led here. */
  readonly base?: string;
  readonly user?: string;
  readonly host?: string;
  readonly sort?: string;
  /** `person`: one row a person. */
  readonly by?: string;
}
export const exactNames = ['user', 'base', 'host'] as const;
const filters = ['search', 'product', 'state', ...exactNames] as const;

/** Whether anything is left out. */
export const isFiltered = (query: SeatQuery): boolean => filters.some((name) => (query[name] ?? '') !== '');

/** The filter lives in the address, so that it can be linked and survives a reload. */
export function SeatFilter({ status, query }: { status: ServerStatus; query: SeatQuery }) {
  const { t } = useText();
  const [typed, setTyped] = useState<SeatQuery>({});
  const value = (name: keyof SeatQuery) => typed[name] ?? query[name] ?? '';
  const set = (name: keyof SeatQuery, text: string) => setTyped((old) => ({ ...old, [name]: text }));
  const people = query.by === 'person';

  useEffect(() => {
    if (Object.keys(typed).length === 0) return;
    const timer = setTimeout(() => {
      location.replace(formatRoute('seats', { ...query, ...typed }));
      setTyped({});
    }, 300);
    return () => clearTimeout(timer);
  }, [typed, query]);

  const select = (name: keyof SeatQuery, label: string, options: readonly (readonly [string, string])[], kind = '') => (
    <Field label={label} class={kind}>
      {(a) => (
        <select {...a} value={value(name)} onChange={(e) => set(name, e.currentTarget.value)}>
          {options.map(([v, text]) => (
            <option key={v} value={v}>
              {text}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
  return (
    <search class="filter" aria-label={t('seats.filter')}>
      <Field label={t('seats.search')}>
        {(a) => (
          <input
            {...a}
            type="search"
            autocomplete="off"
            placeholder={t('seats.part')}
            value={value('search')}
            onInput={(e) => set('search', e.currentTarget.value)}
          />
        )}
      </Field>
      {select('product', t('seats.product'), [
        ['', t('seats.anyProduct')],
        ...status.products.map((p) => [p.product, p.product] as const),
      ])}
      {!people &&
        select('state', t('seats.state'), [
          ['', t('seats.any')],
          ...leaseStates.map((s) => [s, t(`seats.state.${s}`)] as const),
        ])}
      {select('by', t('seats.by'), [
        ['', t('seats.by.seat')],
        ['person', t('seats.by.person')],
      ])}
      {!people &&
        select(
          'sort',
          t('seats.order'),
          [
            ['', t('seats.order.own')],
            ...leaseOrders.flatMap((o) => [
              [o, `${t(`seats.order.${o}`)} ↑`] as const,
              [`-${o}`, `${t(`seats.order.${o}`)} ↓`] as const,
            ]),
          ],
          'narrow-only',
        )}
      {exactNames
        .filter((name) => query[name])
        .map((name) => (
          <a key={name} class="button chip" href={formatRoute('seats', { ...query, [name]: '' })}>
            {t(`seats.${name}`)}: {query[name]} <span aria-hidden="true">×</span>
            <span class="unseen">{t('seats.drop')}</span>
          </a>
        ))}
      {isFiltered(query) && (
        <a class="button" href={formatRoute('seats', { by: query.by ?? '', sort: query.sort ?? '' })}>
          {t('seats.clear')}
        </a>
      )}
    </search>
  );
}
