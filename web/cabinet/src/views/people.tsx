import { useState } from 'preact/hooks';
import { ConfirmDialog } from '../../../shared/parts/confirmDialog.tsx';
import { DataTable } from '../../../shared/parts/dataTable.tsx';
import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import { useResource } from '../../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { InviteDialog, LinkDialog } from '../parts/inviteDialog.tsx';
import type { NewInvitation, OpenInvitation, Person } from '../wire.ts';

type Asked =
  | { readonly what: 'disable' | 'again'; readonly person: Person }
  | { readonly what: 'withdraw'; readonly invitation: OpenInvitation };

/** Who can sign in, and who is invited. */
export function People() {
  const { t, moment } = useText();
  const { api, say, person: me } = useShell();
  const people = useResource('people', api.people, undefined);
  const invitations = useResource('invitations', api.invitations, undefined);
  const [inviting, setInviting] = useState(false);
  const [asked, setAsked] = useState<Asked>();
  const [made, setMade] = useState<NewInvitation>();
  const reload = async () => {
    await Promise.all([people.reload(), invitations.reload()]);
  };
  const confirm = async () => {
    if (asked === undefined) return;
    if (asked.what === 'withdraw') await api.withdrawInvitation(asked.invitation.invitationId);
    if (asked.what === 'disable') await api.disablePerson(asked.person.personId);
    if (asked.what === 'again') setMade(await api.invitePersonAgain(asked.person.personId));
    if (asked.what !== 'again') say(t(`people.${asked.what}Done`));
    setAsked(undefined);
    await reload();
  };
  const open = invitations.data?.invitations ?? [];
  return (
    <>
      <div class="bar">
        <div>
          <h1 tabIndex={-1}>{t('people.title')}</h1>
          <p class="lead">{t('people.lead')}</p>
        </div>
        <button type="button" class="primary" onClick={() => setInviting(true)}>
          {t('invite.title')}
        </button>
      </div>
      {people.refusal && <RefusalNotice refusal={people.refusal} onRetry={people.reload} />}
      {!people.data && !people.refusal && <p class="empty">{t('app.loading')}</p>}
      {people.data && (
        <DataTable<Person>
          caption={t('people.title')}
          rows={people.data.people}
          keyOf={(p) => p.personId}
          columns={[
            {
              head: t('account.name'),
              names: true,
              class: 'name',
              cell: (p) => (
                <>
                  {p.name}
                  <small class="hint">{p.email}</small>
                </>
              ),
            },
            { head: t('account.organisation'), class: 'name', cell: (p) => p.organisation ?? t('account.vendor') },
            { head: t('factor.short'), cell: (p) => t(p.secondFactor ? 'factor.on' : 'factor.off') },
            { head: t('people.seen'), cell: (p) => (p.seenAt ? moment(p.seenAt) : t('app.none')) },
            {
              head: t('customers.actions'),
              class: 'actions',
              cell: (p) => (
                <div class="row-actions">
                  {p.disabledAt !== undefined && <span class="badge badge-Refused">{t('people.disabled')}</span>}
                  <button
                    type="button"
                    aria-label={t('people.againOf', { email: p.email })}
                    onClick={() => setAsked({ what: 'again', person: p })}
                  >
                    {t('people.again')}
                  </button>
                  {p.disabledAt === undefined && p.email !== me.email && (
                    <button
                      type="button"
                      aria-label={t('people.disableOf', { email: p.email })}
                      onClick={() => setAsked({ what: 'disable', person: p })}
                    >
                      {t('people.disable')}
                    </button>
                  )}
                </div>
              ),
            },
          ]}
        />
      )}
      <section>
        <h2>{t('people.invitations')}</h2>
        {invitations.refusal && <RefusalNotice refusal={invitations.refusal} onRetry={invitations.reload} />}
        {invitations.data && open.length === 0 && <p class="empty">{t('people.noInvitations')}</p>}
        {open.length > 0 && (
          <DataTable<OpenInvitation>
            caption={t('people.invitations')}
            rows={open}
            keyOf={(i) => i.invitationId}
            columns={[
              { head: t('signIn.email'), names: true, class: 'name', cell: (i) => i.email },
              { head: t('account.organisation'), class: 'name', cell: (i) => i.organisation ?? t('account.vendor') },
              { head: t('people.invitedBy'), class: 'name', cell: (i) => i.invitedBy },
              { head: t('people.until'), cell: (i) => moment(i.expiresAt) },
              {
                head: t('customers.actions'),
                class: 'actions',
                cell: (i) => (
                  <button
                    type="button"
                    aria-label={t('people.withdrawOf', { email: i.email })}
                    onClick={() => setAsked({ what: 'withdraw', invitation: i })}
                  >
                    {t('people.withdraw')}
                  </button>
                ),
              },
            ]}
          />
        )}
      </section>
      {inviting && <InviteDialog onClose={() => setInviting(false)} onInvited={reload} />}
      {asked && (
        <ConfirmDialog
          title={t(`people.${asked.what}Title`)}
          text={t(`people.${asked.what}Text`, {
            email: asked.what === 'withdraw' ? asked.invitation.email : asked.person.email,
          })}
          action={t(`people.${asked.what}`)}
          onClose={() => setAsked(undefined)}
          onConfirm={confirm}
        />
      )}
      {made && <LinkDialog made={made} onClose={() => setMade(undefined)} />}
    </>
  );
}
