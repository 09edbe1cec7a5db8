import { useRef, useState } from 'preact/hooks';
import { ConfirmDialog } from '../../../shared/parts/confirmDialog.tsx';
import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import { useShell, useText } from '../context.ts';
import { LicenceCard } from '../parts/licenceCard.tsx';
import { NewKeyDialog } from '../parts/newKeyDialog.tsx';
import { useLicences } from '../useLicences.ts';
import type { IssuedKey, Licence } from '../wire.ts';

/** A customer's activation keys: what was bought, where it runs, and a new key for a move or an extension. */
export function Keys() {
  const { t, date } = useText();
  const { api, person } = useShell();
  const { licences, settled, refusal, reload, more } = useLicences({});
  const [asked, setAsked] = useState<{ what: 'regenerate' | 'renew'; licence: Licence }>();
  const [made, setMade] = useState<{ what: 'regenerate' | 'renew'; issued: IssuedKey }>();
  /** Asked again after a lost answer, the same key comes. */
  const once = useRef('');
  const ask = (what: 'regenerate' | 'renew', licence: Licence) => {
    once.current = crypto.randomUUID();
    setAsked({ what, licence });
  };
  const make = async () => {
    const keyId = asked?.licence.keys[0]?.keyId;
    if (asked === undefined || keyId === undefined) return;
    const issued = await api[asked.what](keyId, once.current);
    setMade({ what: asked.what, issued });
    setAsked(undefined);
    await reload();
  };
  return (
    <>
      <div>
        <h1 tabIndex={-1}>{t('keys.title')}</h1>
        <p class="lead">{t('keys.lead', { organisation: person.organisation ?? '' })}</p>
      </div>
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!settled && licences.length === 0 && <p class="empty">{t('app.loading')}</p>}
      {settled && !refusal && licences.length === 0 && <p class="empty">{t('keys.none')}</p>}
      <ul class="keys">
        {licences.map((licence) => (
          <li key={licence.licenceId}>
            <LicenceCard
              licence={licence}
              renewalAction={
                <button type="button" class="primary" onClick={() => ask('renew', licence)}>
                  {t('keys.renew')}
                </button>
              }
            >
              {licence.revokedAt === undefined && (
                <button
                  type="button"
                  aria-label={t('keys.regenerateOf', { product: licence.product, key: licence.keys[0]?.keyId ?? '' })}
                  onClick={() => ask('regenerate', licence)}
                >
                  {t('keys.regenerate')}
                </button>
              )}
              <a class="button" href={`#/history?licenceId=${licence.licenceId}`}>
                {t('keys.history')}
              </a>
            </LicenceCard>
          </li>
        ))}
      </ul>
      {more && (
        <button type="button" onClick={more}>
          {t('app.more')}
        </button>
      )}
      {asked && (
        <ConfirmDialog
          title={t(`keys.${asked.what}Title`)}
          text={
            asked.what === 'renew'
              ? t('keys.renewText')
              : t('keys.regenerateText', {
                  left: asked.licence.regenerationsLeft,
                  date: date(asked.licence.regenerationsResetAt),
                })
          }
          action={t(asked.what === 'renew' ? 'keys.renew' : 'keys.regenerate')}
          onClose={() => setAsked(undefined)}
          onConfirm={make}
        />
      )}
      {made && (
        <NewKeyDialog
          issued={made.issued}
          next={t(made.what === 'renew' ? 'newKey.nextRenew' : 'newKey.nextMove')}
          onClose={() => setMade(undefined)}
        />
      )}
    </>
  );
}
