import { useState } from 'preact/hooks';
import { Copyable } from '../../../shared/parts/copyable.tsx';
import { Field } from '../../../shared/parts/field.tsx';
import { Notice, RefusalNotice } from '../../../shared/parts/notice.tsx';
import { saveFile } from '../../../shared/saveFile.ts';
import { useShell, useText } from '../context.ts';
import { PasswordField } from '../parts/passwordField.tsx';
import { useAttempt } from '../useAttempt.ts';

/** Turns the second factor on, by a first code of the app, or off, by the password. */
export function SecondFactor() {
  const { t } = useText();
  const { person } = useShell();
  const [codes, setCodes] = useState<readonly string[]>();
  return (
    <section class="card" aria-labelledby="second-factor">
      <div class="bar">
        <h2 id="second-factor">{t('factor.title')}</h2>
        <span class={`badge badge-${person.secondFactor ? 'Active' : 'plain'}`}>
          {t(person.secondFactor ? 'factor.on' : 'factor.off')}
        </span>
      </div>
      <p class="lead">{t('factor.lead')}</p>
      {codes && <RecoveryCodes codes={codes} />}
      {person.secondFactor ? <TurnOff onDone={() => setCodes(undefined)} /> : <TurnOn onCodes={setCodes} />}
    </section>
  );
}

function TurnOn({ onCodes }: { onCodes(codes: readonly string[]): void }) {
  const { t } = useText();
  const { api, reload, say } = useShell();
  const [offer, setOffer] = useState<{ secret: string; picture: string; size: number }>();
  const attempt = useAttempt();
  const begin = () =>
    attempt.run(async () => {
      const { secret, uri } = await api.offerSecondFactor();
      // only who wants one needs the pictures
      const { encode } = await import('uqr');
      const { data, size } = encode(uri, { border: 2 });
      setOffer({
        secret,
        size,
        picture: data.flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : ''))).join(''),
      });
    });
  const confirm = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const code = String(new FormData(event.currentTarget).get('code') ?? '').trim();
    await attempt.run(async () => {
      onCodes((await api.confirmSecondFactor(code)).recoveryCodes);
      await reload();
    });
  };
  if (offer === undefined) {
    return (
      <>
        {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
        <button type="button" disabled={attempt.busy} onClick={begin}>
          {t('factor.turnOn')}
        </button>
      </>
    );
  }
  return (
    <form onSubmit={confirm} class="narrow">
      <p>{t('factor.scan')}</p>
      <svg class="qr" viewBox={`0 0 ${offer.size} ${offer.size}`} role="img" aria-label={t('factor.picture')}>
        <rect width="100%" height="100%" fill="#fff" />
        <path d={offer.picture} fill="#000" />
      </svg>
      <p class="hint">{t('factor.byHand')}</p>
      <Copyable value={offer.secret} name={t('factor.secret')} onCopied={() => say(t('app.copied'))} />
      <Field label={t('signIn.code')}>
        {(a) => (
          <input
            {...a}
            name="code"
            class="key-text"
            autocomplete="one-time-code"
            inputMode="numeric"
            maxLength={10}
            required
          />
        )}
      </Field>
      {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
      <button type="submit" class="primary" disabled={attempt.busy}>
        {t('factor.confirm')}
      </button>
    </form>
  );
}

function TurnOff({ onDone }: { onDone(): void }) {
  const { t } = useText();
  const { api, reload, say } = useShell();
  const [open, setOpen] = useState(false);
  const attempt = useAttempt();
  const submit = async (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const password = String(new FormData(event.currentTarget).get('password') ?? '');
    await attempt.run(async () => {
      await api.removeSecondFactor(password);
      onDone();
      say(t('factor.turnedOff'));
      await reload();
    });
  };
  if (!open) {
    return (
      <button type="button" onClick={() => setOpen(true)}>
        {t('factor.turnOff')}
      </button>
    );
  }
  return (
    <form onSubmit={submit} class="narrow">
      <PasswordField label={t('password.present')} name="password" />
      {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
      <button type="submit" class="danger" disabled={attempt.busy}>
        {t('factor.turnOff')}
      </button>
    </form>
  );
}

function RecoveryCodes({ codes }: { codes: readonly string[] }) {
  const { t } = useText();
  return (
    <Notice level="warning">
      <p>{t('factor.codes')}</p>
      <ul class="codes">
        {codes.map((code) => (
          <li key={code}>
            <code>{code}</code>
          </li>
        ))}
      </ul>
      <button type="button" onClick={() => saveFile('recovery-codes.txt', `${codes.join('\n')}\n`, 'text/plain')}>
        {t('factor.save')}
      </button>
    </Notice>
  );
}
