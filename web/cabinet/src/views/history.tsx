import { DataTable } from '../../../shared/parts/dataTable.tsx';
import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import { useShell, useText } from '../context.ts';
import { type RecordedTerm, recordedTerms } from '../logic/recordedTerms.ts';
import { useRows } from '../useRows.ts';
import type { AuditEntry } from '../wire.ts';

/** What was done, the newest first: to a customer's licences and accounts, or, for the vendor, at all. */
export function History({ query }: { query: Readonly<Record<string, string>> }) {
  const text = useText();
  const { t, find, moment } = text;
  const { api, person } = useShell();
  const { licenceId } = query;
  const filter = licenceId === undefined ? {} : { licenceId };
  const { rows, settled, refusal, reload, more } = useRows<AuditEntry>(licenceId ?? '', async (before) => {
    const page = await api.audit(filter, before);
    return { rows: page.entries, next: page.before };
  });
  const who = (e: AuditEntry) => e.person ?? find(`history.actor.${e.actor.split(' ', 1)[0]}`) ?? e.actor;
  return (
    <>
      <div>
        <h1 tabIndex={-1}>{t('history.title')}</h1>
        <p class="lead">{t(person.role === 'vendor' ? 'history.leadVendor' : 'history.lead')}</p>
      </div>
      {licenceId !== undefined && (
        <p>
          {t('history.of', { licence: licenceId })} <a href="#/history">{t('history.all')}</a>
        </p>
      )}
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!settled && rows.length === 0 && <p class="empty">{t('app.loading')}</p>}
      {settled && !refusal && rows.length === 0 && <p class="empty">{t('history.none')}</p>}
      {rows.length > 0 && (
        <DataTable<AuditEntry>
          caption={t('history.title')}
          rows={rows}
          keyOf={(e) => String(e.id)}
          columns={[
            { head: t('history.at'), cell: (e) => moment(e.at) },
            { head: t('history.what'), names: true, cell: (e) => find(`history.action.${e.action}`) ?? e.action },
            {
              head: t('history.outcome'),
              cell: (e) => (
                <span class={`badge badge-${e.outcome === 'ok' ? 'Active' : 'Pending'}`}>
                  {e.outcome === 'ok' ? t('history.ok') : (find(`history.outcome.${e.outcome}`) ?? e.outcome)}
                </span>
              ),
            },
            { head: t('history.who'), class: 'name', cell: (e) => who(e) },
            {
              head: t('history.licence'),
              cell: (e) => (
                <>
                  {e.keyId ?? e.licenceId ?? t('app.none')}
                  {e.detail !== undefined && <small>{detailText(e.detail, text)}</small>}
                </>
              ),
            },
          ]}
        />
      )}
      {more && (
        <button type="button" onClick={more}>
          {t('app.more')}
        </button>
      )}
    </>
  );
}

const termHeads: Readonly<Record<string, string>> = {
  seatLimit: 'licence.seats',
  supportUntil: 'licence.support',
  expiresAt: 'licence.expires',
  supportPolicy: 'licence.afterSupport',
  organisation: 'terms.organisation',
};

/** Words as they are; terms that were set as the licence itself shows them. */
function detailText(detail: string, { t, find, date }: ReturnType<typeof useText>): string {
  const shownOf = ([name, value]: RecordedTerm): string => {
    if (value === null) return t('licence.noEnd');
    if (name === 'supportUntil' || name === 'expiresAt') return date(value);
    return (name === 'supportPolicy' ? find(`licence.policy.${value}`) : undefined) ?? value;
  };
  const terms = recordedTerms(detail)?.map((term) => `${find(termHeads[term[0]] ?? '') ?? term[0]}: ${shownOf(term)}`);
  return terms?.join('; ') ?? detail;
}
