import { useRef, useState } from 'preact/hooks';
import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import { useShell, useText } from '../context.ts';
import { isLongEnough, PasswordField } from '../parts/passwordField.tsx';
import { useAttempt } from '../useAttempt.ts';
import { SecondFactor } from './secondFactor.tsx';

/** One's own account: who one is, password, second factor, and the way out everywhere. */
export function Account() {
  const { t } = useText();
  const { api, person, reload, say } = useShell();
  const out = useAttempt();
  const everywhere = () =>
    out.run(async () => {
      await api.signOutEverywhere();
      say(t('account.outDone'));
      await reload();
    });
  return (
    <>
      <h1 tabIndex={-1}>{t('account.title')}</h1>
      <section class="card">
        <dl>
          <div>
            <dt>{t('account.name')}</dt>
            <dd>{person.name}</dd>
          </div>
          <div>
            <dt>{t('signIn.email')}</dt>
            <dd>{person.email}</dd>
          </div>
          <div>
            <dt>{t('account.organisation')}</dt>
            <dd>{person.organisation ?? t('account.vendor')}</dd>
          </div>
        </dl>
        <div class="form-actions">
          <button type="button" disabled={out.busy} onClick={everywhere}>
            {t('account.out')}
          </button>
          <span class="hint">{t('account.outHint')}</span>
        </div>
        {out.refusal && <RefusalNotice refusal={out.refusal} />}
      </section>
      {person.hasPassword && <ChangePassword />}
      {person.hasPassword && <SecondFactor />}
    </>
  );
}

function ChangePassword() {
  const { t } = useText();
  const { api, say } = useShell();
  const form = useRef<HTMLFormElement>(null);
  const [isShort, setShort] = useState(false);
  const attempt = useAttempt();
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    const next = String(given.get('next') ?? '');
    setShort(!isLongEnough(next));
    if (!isLongEnough(next)) return;
    await attempt.run(async () => {
      await api.changePassword(String(given.get('present') ?? ''), next);
      form.current?.reset();
      say(t('password.changed'));
    });
  };
  return (
    <section class="card" aria-labelledby="change-password">
      <h2 id="change-password">{t('password.title')}</h2>
      <p class="lead">{t('password.lead')}</p>
      <form ref={form} onSubmit={submit} noValidate class="narrow">
        <PasswordField label={t('password.present')} name="present" />
        <PasswordField label={t('password.new')} name="next" isNew error={isShort ? t('password.short') : undefined} />
        {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
        <button type="submit" disabled={attempt.busy}>
          {t('password.change')}
        </button>
      </form>
    </section>
  );
}
