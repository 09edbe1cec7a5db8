import { useState } from 'preact/hooks';
import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { useShell, useText } from '../context.ts';
import { RefusalNotice } from '../parts/notice.tsx';
import { useResource } from '../useResource.ts';

export function About({ status }: { status: ServerStatus }) {
  const { t, moment, number } = useText();
  const { api } = useShell();
  const { data: identity, refusal, reload } = useResource('identity', api.identity, undefined);
  return (
    <>
      <h1 tabIndex={-1}>{t('about.title')}</h1>
      <section class="card about">
        <dl>
          <div>
            <dt>{t('about.fingerprint')}</dt>
            <dd>
              <Copyable value={status.fingerprint} name={t('about.fingerprint')} />
              <p class="hint">{t('about.fingerprintHint')}</p>
            </dd>
          </div>
          {identity && (
            <div>
              <dt>{t('about.publicKey')}</dt>
              <dd>
                <Copyable value={identity.publicKey} name={t('about.publicKey')} />
              </dd>
            </div>
          )}
          <div>
            <dt>{t('about.version')}</dt>
            <dd>{status.version}</dd>
          </div>
          <div>
            <dt>{t('about.startedAt')}</dt>
            <dd>{moment(status.startedAt)}</dd>
          </div>
          {status.clearing && (
            <div>
              <dt>{t('about.clearing')}</dt>
              <dd>
                {t('about.clearingText', {
                  at: moment(status.clearing.at),
                  cleared: number(status.clearing.cleared),
                  before: number(status.clearing.staleBefore),
                  kept: number(status.clearing.kept),
                })}
              </dd>
            </div>
          )}
        </dl>
        {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      </section>
      <section class="card" aria-labelledby="interface">
        <h2 id="interface">{t('about.api')}</h2>
        <ul>
          <li>
            <a href="openapi.json">{t('about.openapi')}</a>
          </li>
          <li>{t('about.metrics')}</li>
        </ul>
      </section>
    </>
  );
}

/** A long value with a button that copies it. */
function Copyable({ value, name }: { value: string; name: string }) {
  const { t } = useText();
  const { say } = useShell();
  const [done, setDone] = useState(false);
  // The clipboard exists only in a secure context; over plain HTTP the value is there to be selected.
  const canCopy = typeof navigator.clipboard?.writeText === 'function';
  const copy = async () => {
    await navigator.clipboard.writeText(value).then(
      () => {
        setDone(true);
        say(t('app.copied'));
      },
      () => setDone(false),
    );
  };
  return (
    <div class="copyable">
      <code>{value}</code>
      {canCopy && (
        <button type="button" aria-label={`${t('app.copy')}: ${name}`} onClick={copy}>
          {t(done ? 'app.copied' : 'app.copy')}
        </button>
      )}
    </div>
  );
}
