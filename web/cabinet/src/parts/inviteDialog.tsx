import { useState } from 'preact/hooks';
import { Copyable } from '../../../shared/parts/copyable.tsx';
import { Dialog } from '../../../shared/parts/dialog.tsx';
import { Field } from '../../../shared/parts/field.tsx';
import { Notice, RefusalNotice } from '../../../shared/parts/notice.tsx';
import { useShell, useText } from '../context.ts';
import { useAttempt } from '../useAttempt.ts';
import type { NewInvitation } from '../wire.ts';

/** Invites somebody, and shows the link this once. */
export function InviteDialog(props: { organisation?: string; onClose(): void; onInvited(): Promise<void> }) {
  const { t } = useText();
  const { api } = useShell();
  const [role, setRole] = useState<'customer' | 'vendor'>('customer');
  const [made, setMade] = useState<NewInvitation>();
  const attempt = useAttempt();
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const email = String(given.get('email') ?? '');
    const organisation = String(given.get('organisation') ?? '');
    await attempt.run(async () => {
      setMade(await api.invite({ email, role, ...(role === 'customer' ? { organisation } : {}) }));
      await props.onInvited();
    });
  };
  if (made !== undefined) return <LinkDialog made={made} onClose={props.onClose} />;
  return (
    <Dialog title={t('invite.title')} onClose={props.onClose}>
      <form onSubmit={submit}>
        <Field label={t('invite.role')}>
          {(a) => (
            <select {...a} value={role} onChange={(e) => setRole(e.currentTarget.value as 'customer' | 'vendor')}>
              <option value="customer">{t('invite.customer')}</option>
              <option value="vendor">{t('invite.vendor')}</option>
            </select>
          )}
        </Field>
        {role === 'customer' && (
          <Field label={t('terms.organisation')} hint={t('terms.organisationHint')}>
            {(a) => (
              <input
                {...a}
                name="organisation"
                defaultValue={props.organisation ?? ''}
                maxLength={200}
                autocomplete="off"
                required
              />
            )}
          </Field>
        )}
        <Field label={t('signIn.email')}>
          {(a) => <input {...a} name="email" type="email" maxLength={254} autocomplete="off" required />}
        </Field>
        {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
        <div class="dialog-actions">
          <button type="button" onClick={props.onClose}>
            {t('app.cancel')}
          </button>
          <button type="submit" class="primary" disabled={attempt.busy}>
            {t('invite.go')}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

/** A link that brings somebody in, to be sent by hand. */
export function LinkDialog({ made, onClose }: { made: NewInvitation; onClose(): void }) {
  const { t, moment } = useText();
  const { say } = useShell();
  const link = `${location.origin}${location.pathname}#/invitation/${made.token}`;
  return (
    <Dialog title={t('invite.linkTitle')} onClose={onClose}>
      <p>{t('invite.link', { email: made.email, at: moment(made.expiresAt) })}</p>
      <div class="new-key">
        <Copyable value={link} name={t('invite.linkTitle')} onCopied={() => say(t('app.copied'))} />
      </div>
      <Notice level="warning">
        <p>{t('invite.once')}</p>
      </Notice>
      <div class="dialog-actions">
        <button type="button" class="primary" onClick={onClose}>
          {t('newKey.kept')}
        </button>
      </div>
    </Dialog>
  );
}
