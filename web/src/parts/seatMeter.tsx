import type { ProductStatus } from '../../../licence/serverStatus.ts';
import { useText } from '../context.ts';

/** How full a product is: seats in use, the stale ones among them set apart. */
export function SeatMeter({ product }: { product: ProductStatus }) {
  const { t } = useText();
  const { seatLimit: limit, seatsInUse: inUse, seatsStale: stale } = product;
  const scale = Math.max(limit, inUse, 1);
  const share = (n: number) => (n / scale) * 100;
  const live = share(inUse - stale);
  return (
    <svg
      class={`meter ${inUse >= limit ? 'full' : ''}`}
      viewBox="0 0 100 8"
      preserveAspectRatio="none"
      role="img"
      aria-label={t('overview.meter', { inUse, limit, stale })}
    >
      <rect class="meter-room" width="100" height="8" />
      <rect class="meter-live" width={live} height="8" />
      <rect class="meter-stale" x={live} width={share(stale)} height="8" />
    </svg>
  );
}
