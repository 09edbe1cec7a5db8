import { useState } from 'preact/hooks';
import { Field } from '../../../shared/parts/field.tsx';
import { Notice, RefusalNotice } from '../../../shared/parts/notice.tsx';
import { refusalOf } from '../../../shared/useResource.ts';
import type { Api } from '../api.ts';
import { useText } from '../context.ts';
import { PasswordField } from '../parts/passwordField.tsx';
import { SignOnButton } from '../parts/signOnButton.tsx';
import { useAttempt } from '../useAttempt.ts';
import type { Session } from '../wire.ts';

export interface WayIn {
  readonly api: Api;
  readonly session: Session;
  onEntered(): Promise<void>;
}

/** E-mail and password; the code of the second factor once it is asked for; or the identity provider. */
export function SignIn({ api, session, signOnReason, onEntered }: WayIn & { signOnReason: string | undefined }) {
  const { t, find } = useText();
  const [wantsCode, setWantsCode] = useState(false);
  const attempt = useAttempt();
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const of = (name: string) => String(given.get(name) ?? '');
    const code = of('code').trim();
    await attempt.run(async () => {
      try {
        await api.signIn({ email: of('email'), password: of('password'), ...(code === '' ? {} : { code }) });
        await onEntered();
      } catch (error) {
        if (refusalOf(error).reason !== 'CodeMissing') throw error;
        setWantsCode(true);
      }
    });
  };
  return (
    <section class="card sign-in">
      <h1 tabIndex={-1}>{t('signIn.title')}</h1>
      {signOnReason !== undefined && (
        <Notice level="critical">
          <p>{find(`signOn.${signOnReason}`) ?? t('signOn.other')}</p>
        </Notice>
      )}
      <form onSubmit={submit}>
        <Field label={t('signIn.email')}>
          {(a) => (
            <input
              {...a}
              name="email"
              type="email"
              autocomplete="username"
              autocapitalize="none"
              maxLength={254}
              required
            />
          )}
        </Field>
        <PasswordField label={t('signIn.password')} name="password" />
        {wantsCode && (
          <Field label={t('signIn.code')} hint={t('signIn.codeHint')}>
            {(a) => (
              <input
                {...a}
                ref={(input) => input?.focus()}
                name="code"
                class="key-text"
                autocomplete="one-time-code"
                spellcheck={false}
                maxLength={40}
                required
              />
            )}
          </Field>
        )}
        {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
        <button type="submit" class="primary" disabled={attempt.busy}>
          {t('signIn.go')}
        </button>
      </form>
      <SignOnButton api={api} session={session} />
      <p class="hint">{t('signIn.lead')}</p>
    </section>
  );
}
