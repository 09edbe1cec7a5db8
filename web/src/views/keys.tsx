import { useState } from 'preact/hooks';
import type { KeyStatus } from '../../../licence/serverStatus.ts';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { ConfirmDialog } from '../../shared/parts/confirmDialog.tsx';
import { RefusalNotice, ServerSaid } from '../../shared/parts/notice.tsx';
import { saveFile } from '../../shared/saveFile.ts';
import { refusalOf, useResource } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { keyLabel, regenerationsText } from '../logic/attention.ts';
import { faultText } from '../logic/problemText.ts';
import { InstallKey } from './installKey.tsx';
import { OfflineActivation } from './offlineActivation.tsx';

export function Keys({ onChanged }: { onChanged(): void }) {
  const { t } = useText();
  const { api, say } = useShell();
  const [removing, setRemoving] = useState<KeyStatus>();
  const { data, refusal, reload } = useResource('keys', api.keys, 10_000);
  const changed = () => {
    onChanged();
    void reload();
  };
  return (
    <>
      <h1 tabIndex={-1}>{t('keys.title')}</h1>
      <p class="lead">{t('keys.lead')}</p>
      {refusal && <RefusalNotice refusal={refusal} onRetry={reload} />}
      {!data && !refusal && <p class="empty">{t('app.loading')}</p>}
      {data && data.keys.length === 0 && <p class="empty">{t('keys.none')}</p>}
      {data && data.keys.length > 0 && (
        <ul class="keys">
          {data.keys.map((key) => (
            <li key={`${key.source} ${key.name} ${key.keyId}`}>
              <KeyCard status={key} onRemove={() => setRemoving(key)} />
            </li>
          ))}
        </ul>
      )}
      <InstallKey onInstalled={changed} />
      <OfflineActivation onInstalled={changed} />
      {removing?.keyId !== undefined && (
        <ConfirmDialog
          title={t('keys.removeTitle')}
          text={t('keys.removeText', { key: keyLabel(removing) })}
          action={t('keys.remove')}
          onClose={() => setRemoving(undefined)}
          onConfirm={async () => {
            await api.removeKey(removing.keyId ?? '');
            say(t('keys.removed', { key: keyLabel(removing) }));
            setRemoving(undefined);
            changed();
          }}
        />
      )}
    </>
  );
}

function KeyCard({ status: key, onRemove }: { status: KeyStatus; onRemove(): void }) {
  const text = useText();
  const { t, date, moment } = text;
  const label = keyLabel(key);
  const terms: (readonly [string, string | undefined])[] = [
    [t('seats.product'), key.product],
    [t('keys.grants'), key.seatLimit === undefined ? undefined : t('keys.seats', { n: key.seatLimit })],
    [t('overview.support'), key.supportUntil && date(key.supportUntil)],
    [t('overview.expires'), key.expiresAt && date(key.expiresAt)],
    [t('keys.generation'), key.generation === undefined ? undefined : text.number(key.generation)],
    [t('keys.activatedAt'), key.activatedAt && moment(key.activatedAt)],
    [t('keys.source'), t(`keys.source.${key.source}`)],
    [t('keys.regenerations'), regenerationsText(key, text)],
  ];
  return (
    <article class="card key" aria-label={`${t('keys.name')} ${label}`}>
      <div class="bar">
        <h2>
          {label}
          {key.name !== undefined && key.keyId !== undefined && <code>{key.keyId}</code>}
        </h2>
        <span class={`badge badge-${key.state}`}>{t(`keys.state.${key.state}`)}</span>
      </div>
      {key.fault && (
        <div class={`notice notice-${key.state === 'Refused' ? 'critical' : 'warning'}`}>
          <div class="notice-text">
            <p>{faultText(key.fault, text)}</p>
            <ServerSaid reason={key.fault.reason} message={key.fault.message} />
          </div>
        </div>
      )}
      <dl>
        {terms
          .filter((term): term is readonly [string, string] => term[1] !== undefined)
          .map(([head, value]) => (
            <div key={head} class={head === t('keys.regenerations') ? 'wide' : ''}>
              <dt>{head}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
      {key.name !== undefined && key.state === 'Pending' && <RequestButton name={key.name} />}
      {key.source === 'configuration' ? (
        <p class="hint">{t('keys.fromConfiguration')}</p>
      ) : (
        key.keyId !== undefined && (
          <button type="button" aria-label={t('keys.removeOf', { key: label })} onClick={onRemove}>
            {t('keys.remove')}
          </button>
        )
      )}
    </article>
  );
}

/** For a configured key that waits: the file to carry to the vendor's site where there is no network. */
function RequestButton({ name }: { name: string }) {
  const { t } = useText();
  const { api } = useShell();
  const [refusal, setRefusal] = useState<Refusal>();
  const download = async () => {
    try {
      const request = await api.activationRequest({ name });
      saveFile(`activation-request-${name}.json`, `${JSON.stringify(request, undefined, 2)}\n`);
      setRefusal(undefined);
    } catch (error) {
      setRefusal(refusalOf(error));
    }
  };
  return (
    <>
      <button type="button" onClick={download}>
        {t('keys.request')}
      </button>
      {refusal && <RefusalNotice refusal={refusal} />}
    </>
  );
}
