import { useRef, useState } from 'preact/hooks';
import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import { ReasonDialog } from '../../../shared/parts/reasonDialog.tsx';
import { useShell, useText } from '../context.ts';
import { formatRoute } from '../logic/route.ts';
import { LicenceCard } from '../parts/licenceCard.tsx';
import { NewKeyDialog } from '../parts/newKeyDialog.tsx';
import { TermsDialog } from '../parts/termsDialog.tsx';
import { useLicences } from '../useLicences.ts';
import type { IssuedKey, Licence } from '../wire.ts';

type Asked =
  | { readonly what: 'issue' }
  | { readonly what: 'correct' | 'grant' | 'regenerate' | 'revoke' | 'pardon'; readonly licence: Licence };

/** The vendor's licences: all, of one customer, or those with a suspected copy; and all that is done with them. */
export function Licences({ query }: { query: Readonly<Record<string, string>> }) {
  const { t } = useText();
  const { api, say } = useShell();
  const { organisation = '', suspected = '' } = query;
  const { licences, settled, refusal, reload, more } = useLicences({ organisation, suspected });
  const [asked, setAsked] = useState<Asked>();
  const [issued, setIssued] = useState<IssuedKey>();
  const once = useRef('');
  const ask = (next: Asked) => {
    once.current = crypto.randomUUID();
    setAsked(next);
  };
  const done = async (told?: string) => {
    setAsked(undefined);
    if (told !== undefined) say(told);
    await reload();
  };
  const shown = async (key: IssuedKey) => {
    setIssued(key);
    await done();
  };
  const name = organisation === '' ? undefined : (licences[0]?.organisation ?? organisation);
  const words = { reason: t('reason.label'), hint: t('reason.hint'), missing: t('reason.missing') };
  return (
    <>
      <div class="bar">
        <div>
          <h1 tabIndex={-1}>{t('licences.title')}</h1>
          <p class="lead">{name === undefined ? t('licences.lead') : t('licences.of', { organisation: name })}</p>
        </div>
        <button type="button" class="primary" onClick={() => ask({ what: 'issue' })}>
          {t('licences.issue')}
        </button>
      </div>
      <div class="form-actions">
        <a class="button" href={formatRoute('licences', { organisation, suspected: suspected === '' ? 'true' : '' })}>
          {t(suspected === '' ? 'licences.onlySuspected' : 'licences.notOnlySuspected')}
        </a>
        {organisation !== '' && (
          <a class="button" href={formatRoute('licences', { suspected })}>
            {t('licences.all')}
          </a>
        )}
      </div>
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!settled && licences.length === 0 && <p class="empty">{t('app.loading')}</p>}
      {settled && !refusal && licences.length === 0 && (
        <p class="empty">{t(suspected === '' ? 'licences.none' : 'licences.noneSuspected')}</p>
      )}
      <ul class="keys">
        {licences.map((licence) => (
          <li key={licence.licenceId}>
            <LicenceCard licence={licence} withOrganisation>
              <Actions licence={licence} onAsk={ask} />
            </LicenceCard>
          </li>
        ))}
      </ul>
      {more && (
        <button type="button" onClick={more}>
          {t('app.more')}
        </button>
      )}
      {asked?.what === 'issue' && (
        <TermsDialog
          kind="issue"
          organisation={name}
          onClose={() => setAsked(undefined)}
          onTerms={async (given) => shown(await api.issue(given, once.current))}
        />
      )}
      {asked?.what === 'correct' && (
        <TermsDialog
          kind="correct"
          licence={asked.licence}
          onClose={() => setAsked(undefined)}
          onTerms={async ({ organisation: to, ...terms }) => {
            const renamed = to === asked.licence.organisation ? {} : { organisation: to };
            await api.correct(asked.licence.licenceId, { ...terms, ...renamed });
            await done(t('licences.corrected'));
          }}
        />
      )}
      {asked?.what === 'grant' && (
        <TermsDialog
          kind="grant"
          licence={asked.licence}
          onClose={() => setAsked(undefined)}
          onTerms={async (terms) => {
            await api.grantRenewal(asked.licence.licenceId, terms, once.current);
            await done(t('licences.granted'));
          }}
        />
      )}
      {asked?.what === 'regenerate' && (
        <ReasonDialog
          title={t('licences.regenerateTitle')}
          text={t('licences.regenerateText', { left: asked.licence.regenerationsLeft })}
          action={t('keys.regenerate')}
          words={words}
          onClose={() => setAsked(undefined)}
          onReason={async (reason) => shown(await api.regenerate(newestOf(asked.licence), once.current, reason))}
        />
      )}
      {asked?.what === 'revoke' && (
        <ReasonDialog
          title={t('licences.revokeTitle')}
          text={t('licences.revokeText', { product: asked.licence.product, organisation: asked.licence.organisation })}
          action={t('licences.revoke')}
          words={words}
          onClose={() => setAsked(undefined)}
          onReason={async (reason) => {
            await api.revokeLicence(asked.licence.licenceId, reason);
            await done(t('licences.revoked'));
          }}
        />
      )}
      {asked?.what === 'pardon' && (
        <ReasonDialog
          title={t('licences.pardonTitle')}
          text={t('licences.pardonText')}
          action={t('licences.pardon')}
          words={words}
          onClose={() => setAsked(undefined)}
          onReason={async (reason) => {
            for (const key of suspectedOf(asked.licence)) await api.pardonKey(key.keyId, reason);
            await done(t('licences.pardoned'));
          }}
        />
      )}
      {issued && <NewKeyDialog issued={issued} next={t('newKey.nextVendor')} onClose={() => setIssued(undefined)} />}
    </>
  );
}

function Actions({ licence, onAsk }: { licence: Licence; onAsk(asked: Asked): void }) {
  const { t } = useText();
  const button = (what: Exclude<Asked['what'], 'issue'>, text: string) => (
    <button type="button" onClick={() => onAsk({ what, licence })}>
      {text}
    </button>
  );
  return (
    <>
      {suspectedOf(licence).length > 0 && button('pardon', t('licences.pardon'))}
      {button('grant', t('licences.grant'))}
      {button('correct', t('licences.correct'))}
      {button('regenerate', t('keys.regenerate'))}
      {licence.revokedAt === undefined && button('revoke', t('licences.revoke'))}
      <a class="button" href={formatRoute('history', { licenceId: licence.licenceId })}>
        {t('keys.history')}
      </a>
    </>
  );
}

const newestOf = (licence: Licence): string => licence.keys[0]?.keyId ?? '';
const suspectedOf = (licence: Licence) => licence.keys.filter((k) => k.cloneSuspectedAt !== undefined);
