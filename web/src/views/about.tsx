import type { ServerStatus } from '../../../licence/serverStatus.ts';
import { Copyable } from '../../shared/parts/copyable.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { useResource } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';

export function About({ status }: { status: ServerStatus }) {
  const { t, moment, number } = useText();
  const { api, say } = useShell();
  const copied = () => say(t('app.copied'));
  const { data: identity, refusal, reload } = useResource('identity', api.identity, undefined);
  return (
    <>
      <h1 tabIndex={-1}>{t('about.title')}</h1>
      <section class="card about">
        <dl>
          <div>
            <dt>{t('about.fingerprint')}</dt>
            <dd>
              <Copyable value={status.fingerprint} name={t('about.fingerprint')} onCopied={copied} />
              <p class="hint">{t('about.fingerprintHint')}</p>
            </dd>
          </div>
          {identity && (
            <div>
              <dt>{t('about.publicKey')}</dt>
              <dd>
                <Copyable value={identity.publicKey} name={t('about.publicKey')} onCopied={copied} />
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
          {status.backup && (
            <div>
              <dt>{t('about.backup')}</dt>
              <dd>
                {status.backup.lastSuccessAt === undefined
                  ? t('about.backupNone')
                  : `${moment(status.backup.lastSuccessAt)}: ${status.backup.archive}`}
                {status.backup.nextAt !== undefined && (
                  <p class="hint">{t('about.backupNext', { at: moment(status.backup.nextAt) })}</p>
                )}
              </dd>
            </div>
          )}
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
