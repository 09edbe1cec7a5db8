import { useState } from 'preact/hooks';
import { Field } from '../../shared/parts/field.tsx';
import { Notice } from '../../shared/parts/notice.tsx';
import { useText } from '../context.ts';
import type { TextKey } from '../text/text.ts';

export type SignInTrouble = Extract<TextKey, 'signIn.wrong' | 'signIn.notAdmin' | 'signIn.ended'>;

/** Asks for the administrator's token; whether it is right, the shell finds out by using it. */
export function SignIn(props: { trouble: SignInTrouble | undefined; onToken(token: string): void }) {
  const { t } = useText();
  const [shown, setShown] = useState(false);
  const submit = (event: SubmitEvent & { currentTarget: HTMLFormElement }) => {
    event.preventDefault();
    const token = String(new FormData(event.currentTarget).get('token') ?? '').trim();
    if (token !== '') props.onToken(token);
  };
  return (
    <section class="card sign-in">
      <h1>{t('signIn.title')}</h1>
      {props.trouble && (
        <Notice level="critical">
          <p>{t(props.trouble)}</p>
        </Notice>
      )}
      <form onSubmit={submit}>
        <Field label={t('signIn.token')} hint={t('signIn.lead')}>
          {(a) => (
            <input
              {...a}
              name="token"
              {...(shown ? { type: 'text' as const } : { type: 'password' as const })}
              autocomplete="off"
              spellcheck={false}
              autocapitalize="none"
              required
            />
          )}
        </Field>
        <label class="check">
          <input type="checkbox" checked={shown} onChange={(e) => setShown(e.currentTarget.checked)} />
          {t('signIn.show')}
        </label>
        <button type="submit" class="primary">
          {t('signIn.go')}
        </button>
      </form>
      <details>
        <summary>{t('signIn.where')}</summary>
        <p>{t('signIn.kubernetes')}</p>
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
        <pre tabIndex={0}>{"kubectl get secret NAME-tokens -o jsonpath='{.data.admin}' | base64 -d | head -n 1"}</pre>
        <p>{t('signIn.alone')}</p>
      </details>
    </section>
  );
}
