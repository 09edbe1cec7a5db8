import type { Holder } from '../../../licence/words.ts';
import { Dialog } from '../../shared/parts/dialog.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { useResource } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { checkName, checkText } from '../logic/checkText.ts';
import { holderText } from '../logic/holderText.ts';
import { denialText } from '../logic/problemText.ts';

/** Whether a holder would get a seat now, which rule decides, who has the seats, and when one is expected. */
export function WhyDialog({ product, holder, onClose }: { product: string; holder: Holder; onClose(): void }) {
  const text = useText();
  const { t, moment, relative } = text;
  const { api } = useShell();
  const { data, refusal, reload } = useResource('why', () => api.explain(product, holder), undefined);
  const marks: Readonly<Record<string, string>> = { passed: '✓', notMatched: '·' };
  return (
    <Dialog title={t('why.title', { who: holderText(holder), product })} onClose={onClose}>
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!data && !refusal && <p class="empty">{t('app.loading')}</p>}
      {data && (
        <>
          <p class={`notice ${data.granted ? 'notice-ok' : 'notice-warning'}`}>
            {data.granted ? t('why.granted') : t('why.denied', { reason: denialText(data.reason ?? '', text) })}
          </p>
          <ol class="checks">
            {data.checks.map((c) => (
              <li key={`${c.check} ${c.name}`} class={`check-${c.verdict}`}>
                <span class="check-mark" aria-hidden="true">
                  {marks[c.verdict] ?? (data.granted ? '✓' : '✗')}
                </span>
                <span>
                  <strong>{checkName(c, text)}</strong> {checkText(c, text)}
                  {c.verdict === 'decided' && <span class="badge badge-stale">{t('why.decides')}</span>}
                </span>
              </li>
            ))}
          </ol>
          {data.holders !== undefined && data.holders.length > 0 && (
            <>
              <h3>{t('why.holders')}</h3>
              <ul class="holders">
                {data.holders.map((h) => (
                  <li key={h.leaseId}>
                    {holderText(h.holder)}{' '}
                    <span class="quiet">
                      {t('why.since', { at: moment(h.acquiredAt) })}
                      {h.stale ? `, ${t('why.stale')}` : ''}
                    </span>
                  </li>
                ))}
              </ul>
            </>
          )}
          {data.expected !== undefined && (
            <p>
              {t(data.expected.by === 'grace' ? 'why.expectedGrace' : 'why.expected', {
                at: moment(data.expected.at),
                ago: relative(data.expected.at, Date.now()),
              })}
            </p>
          )}
        </>
      )}
      <div class="dialog-actions">
        <button type="button" onClick={onClose}>
          {t('why.close')}
        </button>
      </div>
    </Dialog>
  );
}
