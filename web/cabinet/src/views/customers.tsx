import { useState } from 'preact/hooks';
import { DataTable } from '../../../shared/parts/dataTable.tsx';
import { Field } from '../../../shared/parts/field.tsx';
import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import { useShell, useText } from '../context.ts';
import { formatRoute } from '../logic/route.ts';
import { InviteDialog } from '../parts/inviteDialog.tsx';
import { useRows } from '../useRows.ts';
import type { Organisation } from '../wire.ts';

/** The vendor's customers, found by a part of any of their names. */
export function Customers() {
  const { t, number } = useText();
  const { api } = useShell();
  const [name, setName] = useState('');
  const [inviting, setInviting] = useState<{ organisation?: string }>();
  const { rows, settled, refusal, reload, more } = useRows<Organisation>(name, async (after) => {
    const page = await api.organisations(name, after);
    return { rows: page.organisations, next: page.after };
  });
  return (
    <>
      <div class="bar">
        <div>
          <h1 tabIndex={-1}>{t('customers.title')}</h1>
          <p class="lead">{t('customers.lead')}</p>
        </div>
        <button type="button" class="primary" onClick={() => setInviting({})}>
          {t('invite.title')}
        </button>
      </div>
      <search class="filter" aria-label={t('customers.search')}>
        <Field label={t('customers.search')}>
          {(a) => (
            <input
              {...a}
              type="search"
              value={name}
              maxLength={200}
              autocomplete="off"
              onInput={(e) => setName(e.currentTarget.value)}
            />
          )}
        </Field>
      </search>
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!settled && rows.length === 0 && <p class="empty">{t('app.loading')}</p>}
      {settled && !refusal && rows.length === 0 && (
        <p class="empty">{t(name === '' ? 'customers.none' : 'customers.noneFound')}</p>
      )}
      {rows.length > 0 && (
        <DataTable<Organisation>
          caption={t('customers.title')}
          rows={rows}
          keyOf={(o) => o.organisationId}
          busy={!settled}
          columns={[
            {
              head: t('terms.organisation'),
              names: true,
              class: 'name',
              cell: (o) => <a href={formatRoute('licences', { organisation: o.organisationId })}>{o.organisation}</a>,
            },
            { head: t('customers.licences'), cell: (o) => number(o.licences) },
            { head: t('customers.people'), cell: (o) => number(o.people) },
            {
              head: t('customers.copies'),
              cell: (o) =>
                o.suspected ? <span class="badge badge-Refused">{t('customers.suspected')}</span> : t('app.none'),
            },
            {
              head: t('customers.actions'),
              class: 'actions',
              cell: (o) => (
                <button
                  type="button"
                  aria-label={t('customers.inviteTo', { organisation: o.organisation })}
                  onClick={() => setInviting({ organisation: o.organisation })}
                >
                  {t('invite.short')}
                </button>
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
      {inviting && <InviteDialog {...inviting} onClose={() => setInviting(undefined)} onInvited={reload} />}
    </>
  );
}
