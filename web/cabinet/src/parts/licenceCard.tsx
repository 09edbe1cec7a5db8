import type { ComponentChildren } from 'preact';
import { regenerationsPerMonth } from '../../../../licence/authorityWire.ts';
import { Notice } from '../../../shared/parts/notice.tsx';
import { useText } from '../context.ts';
import { badgeOf, licenceState, shortFingerprint } from '../logic/licenceState.ts';
import type { Key, Licence, RenewalTerms } from '../wire.ts';

/** A licence with its terms, where its key is activated, what may still be done; the actions are the caller's. */
export function LicenceCard(props: {
  licence: Licence;
  /** The name of the organisation, where several are shown. */
  withOrganisation?: boolean;
  renewalAction?: ComponentChildren;
  children?: ComponentChildren;
}) {
  const { licence } = props;
  const text = useText();
  const { t, date, moment } = text;
  const [newest, ...older] = licence.keys;
  const now = Date.now();
  const state = licenceState(licence, now);
  const term = (at: string | undefined) =>
    at === undefined ? t('licence.noEnd') : <span class={Date.parse(at) <= now ? 'term-ended' : ''}>{date(at)}</span>;
  return (
    <article class="card key" aria-label={`${licence.product} ${licence.licenceId}`}>
      <div class="bar">
        <h2>{licence.product}</h2>
        <span class={`badge badge-${badgeOf[state]}`}>{t(`licence.state.${state}`)}</span>
      </div>
      {props.withOrganisation && <p>{licence.organisation}</p>}
      {state === 'suspected' && (
        <Notice level="critical">
          <p>{t('licence.suspected')}</p>
        </Notice>
      )}
      {licence.renewal && licence.revokedAt === undefined && (
        <Notice level="ok">
          <p>{t('licence.renewal', { terms: renewalText(licence.renewal, text) })}</p>
          {props.renewalAction}
        </Notice>
      )}
      <dl>
        <Term head={t('licence.seats')}>{text.number(licence.seatLimit)}</Term>
        <Term head={t('licence.support')}>{term(licence.supportUntil)}</Term>
        <Term head={t('licence.expires')}>{term(licence.expiresAt)}</Term>
        <Term head={t('licence.afterSupport')}>{t(`licence.policy.${licence.supportPolicy}`)}</Term>
        <Term head={t('licence.key')}>
          {newest && (
            <>
              <code class="plain">{newest.keyId}</code>
              <br />
              <span class="hint">
                {t('licence.generation', { n: newest.generation, how: t(`key.by.${newest.madeBy}`) })}
              </span>
            </>
          )}
        </Term>
        <Term head={t('licence.where')}>{newest && <Where keyView={newest} />}</Term>
        <Term head={t('licence.regenerations')} wide>
          {t('licence.regenerationsOf', { left: licence.regenerationsLeft, limit: regenerationsPerMonth })}
          {licence.regenerationsLeft < regenerationsPerMonth &&
            `, ${t('licence.regenerationsReset', { date: date(licence.regenerationsResetAt) })}`}
        </Term>
      </dl>
      <div class="form-actions">{props.children}</div>
      {older.length > 0 && (
        <details>
          <summary>{t('licence.older', { n: older.length })}</summary>
          <ul class="older">
            {older.map((k) => (
              <li key={k.keyId}>
                <code class="plain">{k.keyId}</code>
                <p class="hint">{`${t(`key.by.${k.madeBy}`)}${k.madeAt ? `, ${moment(k.madeAt)}` : ''}`}</p>
                <p>
                  <Where keyView={k} />
                </p>
              </li>
            ))}
          </ul>
        </details>
      )}
    </article>
  );
}

const Term = ({ head, wide, children }: { head: string; wide?: boolean; children: ComponentChildren }) => (
  <div class={wide ? 'wide' : ''}>
    <dt>{head}</dt>
    <dd>{children}</dd>
  </div>
);

/** The computer that a key is bound to, and since when. */
function Where({ keyView: { fingerprint, boundAt, revokedAt } }: { keyView: Key }) {
  const { t, moment } = useText();
  if (revokedAt !== undefined) return <>{t('key.revoked', { at: moment(revokedAt) })}</>;
  if (fingerprint === undefined) return <>{t('key.unused')}</>;
  return (
    <>
      <code class="plain" title={fingerprint}>
        {shortFingerprint(fingerprint)}
      </code>
      {boundAt !== undefined && (
        <>
          <br />
          <span class="hint">{t('key.since', { at: moment(boundAt) })}</span>
        </>
      )}
    </>
  );
}

/** `support until 31 December 2027, 60 seats` */
function renewalText(
  { seatLimit, supportUntil, expiresAt }: RenewalTerms,
  { t, date }: ReturnType<typeof useText>,
): string {
  return [
    supportUntil && t('renewal.support', { date: date(supportUntil) }),
    expiresAt && t('renewal.expires', { date: date(expiresAt) }),
    seatLimit !== undefined && t('renewal.seats', { n: seatLimit }),
  ]
    .filter(Boolean)
    .join(', ');
}
