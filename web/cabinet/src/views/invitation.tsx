import { useState } from 'preact/hooks';
import { Field } from '../../../shared/parts/field.tsx';
import { Notice, RefusalNotice } from '../../../shared/parts/notice.tsx';
import { useResource } from '../../../shared/useResource.ts';
import { useText } from '../context.ts';
import { isLongEnough, PasswordField } from '../parts/passwordField.tsx';
import { SignOnButton } from '../parts/signOnButton.tsx';
import { useAttempt } from '../useAttempt.ts';
import type { WayIn } from './signIn.tsx';

/** Comes in by a link of the vendor, or sets a new password by one. */
export function Invitation({ token, api, session, onEntered }: WayIn & { token: string }) {
  const { t, moment } = useText();
  const { data, refusal, reload } = useResource(token, () => api.lookAtInvitation(token), undefined);
  const [isShort, setShort] = useState(false);
  const attempt = useAttempt();
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const password = String(given.get('password') ?? '');
    setShort(!isLongEnough(password));
    if (!isLongEnough(password)) return;
    await attempt.run(async () => {
      await api.acceptInvitation({ token, name: String(given.get('name') ?? ''), password });
      await onEntered();
    });
  };
  return (
    <section class="card sign-in">
      <h1 tabIndex={-1}>{t(data?.isKnown ? 'invitation.known' : 'invitation.title')}</h1>
      {refusal && <RefusalNotice refusal={refusal} onRetry={refusal.status === 410 ? undefined : reload} />}
      {refusal && <a href="#/">{t('invitation.toSignIn')}</a>}
      {!data && !refusal && <p class="empty">{t('app.loading')}</p>}
      {data && (
        <>
          {session.person && (
            <Notice level="warning">
              <p>{t('invitation.other', { email: session.person.email })}</p>
            </Notice>
          )}
          <p>
            {data.organisation === undefined
              ? t('invitation.ofVendor', { email: data.email })
              : t('invitation.of', { email: data.email, organisation: data.organisation })}
          </p>
          <form onSubmit={submit} noValidate>
            <input type="hidden" name="username" autocomplete="username" value={data.email} />
            <Field label={t('invitation.name')}>
              {(a) => <input {...a} name="name" autocomplete="name" maxLength={200} required />}
            </Field>
            <PasswordField
              label={t('password.new')}
              name="password"
              isNew
              error={isShort ? t('password.short') : undefined}
            />
            {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
            <button type="submit" class="primary" disabled={attempt.busy}>
              {t('invitation.go')}
            </button>
          </form>
          <SignOnButton api={api} session={session} invitation={token} />
          <p class="hint">{t('invitation.until', { at: moment(data.expiresAt) })}</p>
        </>
      )}
    </section>
  );
}
