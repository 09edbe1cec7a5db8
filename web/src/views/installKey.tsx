import { useRef, useState } from 'preact/hooks';
import type { KeyCheckResponse, KeyStatus } from '../../../licence/serverStatus.ts';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { Field } from '../../shared/parts/field.tsx';
import { Notice, RefusalNotice, ServerSaid } from '../../shared/parts/notice.tsx';
import { refusalOf } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { keyLabel, regenerationsText } from '../logic/attention.ts';
import { faultText } from '../logic/problemText.ts';

type Outcome =
  | { readonly kind: 'checked'; readonly check: KeyCheckResponse }
  | { readonly kind: 'installed'; readonly key: KeyStatus }
  | { readonly kind: 'refused'; readonly refusal: Refusal };

/** Installs a key, or asks the authority first what it would grant. */
export function InstallKey({ onInstalled }: { onInstalled(): void }) {
  const { t } = useText();
  const { api } = useShell();
  const input = useRef<HTMLInputElement>(null);
  const [missing, setMissing] = useState(false);
  const [busy, setBusy] = useState(false);
  const [outcome, setOutcome] = useState<Outcome>();

  const withKey = async (work: (key: string) => Promise<Outcome>) => {
    const key = input.current?.value.trim() ?? '';
    setMissing(key === '');
    setOutcome(undefined);
    if (key === '') return input.current?.focus();
    setBusy(true);
    try {
      setOutcome(await work(key));
    } catch (error) {
      setOutcome({ kind: 'refused', refusal: refusalOf(error) });
    } finally {
      setBusy(false);
    }
  };
  const check = () => withKey(async (key) => ({ kind: 'checked', check: await api.checkKey(key) }));
  const install = () =>
    withKey(async (key) => {
      const installed = await api.installKey(key);
      if (input.current) input.current.value = '';
      onInstalled();
      return { kind: 'installed', key: installed };
    });

  return (
    <section class="card" aria-labelledby="install">
      <h2 id="install">{t('keys.install')}</h2>
      <p class="lead">{t('keys.installLead')}</p>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void install();
        }}
      >
        <Field label={t('keys.text')} hint={t('keys.textHint')} error={missing ? t('keys.textMissing') : undefined}>
          {(a) => (
            <input
              {...a}
              ref={input}
              class="key-text"
              name="key"
              autocomplete="off"
              autocapitalize="characters"
              spellcheck={false}
              maxLength={200}
              required
            />
          )}
        </Field>
        <div class="form-actions">
          <button type="submit" class="primary" disabled={busy}>
            {t('keys.doInstall')}
          </button>
          <button type="button" disabled={busy} onClick={check}>
            {t('keys.check')}
          </button>
          <span class="hint">{busy ? t('keys.busy') : t('keys.checkHint')}</span>
        </div>
      </form>
      <div role="status">{outcome && <OutcomeNotice outcome={outcome} />}</div>
    </section>
  );
}

function OutcomeNotice({ outcome }: { outcome: Outcome }) {
  const text = useText();
  const { t } = text;
  if (outcome.kind === 'refused') return <RefusalNotice refusal={outcome.refusal} />;
  if (outcome.kind === 'installed') return <InstalledNotice installed={outcome.key} />;
  const { check } = outcome;
  if (!check.usable) {
    return (
      <Notice level="warning">
        <p>
          {t('keys.unusable')} {check.fault && faultText(check.fault, text)}
        </p>
        {check.fault && <ServerSaid reason={check.fault.reason} message={check.fault.message} />}
      </Notice>
    );
  }
  const grants = [check.product, check.seatLimit === undefined ? '' : t('keys.seats', { n: check.seatLimit })];
  const left = regenerationsText({ state: 'Pending', source: 'web', ...check }, text);
  return (
    <Notice level="ok">
      <p>{t('keys.usable')}</p>
      <p>{grants.filter(Boolean).join(' · ')}</p>
      {left && (
        <p>
          {t('keys.regenerations')}: {left}
        </p>
      )}
    </Notice>
  );
}

/** What came of an installation: active at once, or kept until the authority answers. */
export function InstalledNotice({ installed }: { installed: KeyStatus }) {
  const text = useText();
  const { t } = text;
  const key = keyLabel(installed);
  if (installed.state === 'Active') {
    return (
      <Notice level="ok">
        <p>{t('keys.installed', { key })}</p>
      </Notice>
    );
  }
  const why = installed.fault ? faultText(installed.fault, text) : '';
  return (
    <Notice level="warning">
      <p>
        {installed.state === 'Refused'
          ? t('attention.keyRefused', { key, why })
          : t('keys.installedPending', { key, why })}
      </p>
      {installed.fault && <ServerSaid reason={installed.fault.reason} message={installed.fault.message} />}
    </Notice>
  );
}
