import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import type { Api } from '../api.ts';
import { useText } from '../context.ts';
import { useAttempt } from '../useAttempt.ts';
import type { Session } from '../wire.ts';

/** Leads to the identity provider, if there is one; the browser comes back signed in. */
export function SignOnButton(props: { api: Api; session: Session; invitation?: string }) {
  const { t } = useText();
  const attempt = useAttempt();
  const { singleSignOn } = props.session;
  if (singleSignOn === undefined) return null;
  const go = () =>
    attempt.run(async () => {
      const { url } = await props.api.beginSignOn(props.invitation);
      location.assign(url);
    });
  return (
    <>
      <button type="button" disabled={attempt.busy} onClick={go}>
        {t('signOn.go', { name: singleSignOn.name })}
      </button>
      {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
    </>
  );
}
