import { useRef, useState } from 'preact/hooks';
import type { Refusal } from '../../../shared/logic/refusal.ts';
import { Dialog } from '../../../shared/parts/dialog.tsx';
import { Field } from '../../../shared/parts/field.tsx';
import { RefusalNotice } from '../../../shared/parts/notice.tsx';
import { refusalOf } from '../../../shared/useResource.ts';
import { useText } from '../context.ts';
import { dayOf, endOfDay } from '../logic/ends.ts';
import type { Licence, NewLicence } from '../wire.ts';

interface Issue {
  readonly kind: 'issue';
  readonly organisation: string | undefined;
  onTerms(given: NewLicence): Promise<void>;
}
interface Change {
  readonly kind: 'correct' | 'grant';
  readonly licence: Licence;
  onTerms(given: NewLicence & { reference?: string }): Promise<void>;
}

/** Ends that have passed or that shorten are asked about once more. */
const doubts: readonly string[] = ['TermsPast', 'TermsShorter'];

/** The terms of a licence: of a new one, put right, or prolonged. When `onTerms` throws, the dialog stays and says why. */
export function TermsDialog(props: (Issue | Change) & { onClose(): void }) {
  const { t } = useText();
  const { kind, onClose } = props;
  const licence = props.kind === 'issue' ? undefined : props.licence;
  const [refusal, setRefusal] = useState<Refusal>();
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const isDoubtful = refusal !== undefined && doubts.includes(refusal.reason);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    if (form.current === null) return;
    const given = new FormData(form.current);
    const of = (name: string) => String(given.get(name) ?? '').trim();
    // what a dialog does not ask for is left as it is; an end that was emptied is taken away
    const end = (name: 'supportUntil' | 'expiresAt') => {
      const day = of(name);
      if (day === dayOf(licence?.[name]) && kind !== 'issue') return {};
      if (day === '') return kind === 'correct' ? { [name]: null } : {};
      return { [name]: endOfDay(day) };
    };
    const seats = of('seats');
    const terms = {
      organisation: of('organisation') || (licence?.organisation ?? ''),
      product: of('product'),
      supportPolicy: of('policy') === 'require' ? ('require' as const) : ('warn' as const),
      ...(seats === '' || (kind === 'grant' && Number(seats) === licence?.seatLimit)
        ? {}
        : { seatLimit: Number(seats) }),
      ...end('supportUntil'),
      ...end('expiresAt'),
      ...(given.get('force') === null ? {} : { force: true }),
    };
    const reference = of('reference');
    setBusy(true);
    setRefusal(undefined);
    try {
      await (props.onTerms as Change['onTerms'])(
        (kind === 'grant'
          ? { ...only(terms, ['seatLimit', 'supportUntil', 'expiresAt', 'force']), ...(reference ? { reference } : {}) }
          : terms) as NewLicence,
      );
    } catch (error) {
      setRefusal(refusalOf(error));
      setBusy(false);
    }
  };

  return (
    <Dialog title={t(`terms.${kind}`)} onClose={onClose}>
      <p>{t(`terms.${kind}Text`)}</p>
      <form ref={form} onSubmit={submit}>
        {kind !== 'grant' && (
          <Field label={t('terms.organisation')} hint={t('terms.organisationHint')}>
            {(a) => (
              <input
                {...a}
                name="organisation"
                defaultValue={licence?.organisation ?? (props.kind === 'issue' ? props.organisation : '')}
                maxLength={200}
                autocomplete="off"
                required
              />
            )}
          </Field>
        )}
        {kind === 'issue' && (
          <Field label={t('terms.product')} hint={t('terms.productHint')}>
            {(a) => (
              <input
                {...a}
                name="product"
                maxLength={63}
                autocomplete="off"
                autocapitalize="none"
                spellcheck={false}
                required
              />
            )}
          </Field>
        )}
        <Field label={t('licence.seats')}>
          {(a) => (
            <input
              {...a}
              name="seats"
              type="number"
              min={0}
              max={10_000_000}
              defaultValue={licence === undefined ? '' : String(licence.seatLimit)}
              required={kind !== 'grant'}
            />
          )}
        </Field>
        <div class="pair">
          <Field label={t('licence.support')}>
            {(a) => <input {...a} name="supportUntil" type="date" defaultValue={dayOf(licence?.supportUntil)} />}
          </Field>
          <Field label={t('licence.expires')}>
            {(a) => <input {...a} name="expiresAt" type="date" defaultValue={dayOf(licence?.expiresAt)} />}
          </Field>
        </div>
        <p class="hint">{t(kind === 'grant' ? 'terms.endsHintGrant' : 'terms.endsHint')}</p>
        {kind !== 'grant' && (
          <Field label={t('licence.afterSupport')}>
            {(a) => (
              <select {...a} name="policy" defaultValue={licence?.supportPolicy ?? 'warn'}>
                <option value="warn">{t('licence.policy.warn')}</option>
                <option value="require">{t('licence.policy.require')}</option>
              </select>
            )}
          </Field>
        )}
        {kind === 'grant' && (
          <Field label={t('terms.reference')} hint={t('terms.referenceHint')}>
            {(a) => <input {...a} name="reference" maxLength={200} autocomplete="off" />}
          </Field>
        )}
        {refusal && <RefusalNotice refusal={refusal} />}
        {isDoubtful && (
          <label class="check">
            <input type="checkbox" name="force" required />
            {t('terms.force')}
          </label>
        )}
        <div class="dialog-actions">
          <button type="button" onClick={onClose}>
            {t('app.cancel')}
          </button>
          <button type="submit" class="primary" disabled={busy}>
            {t(`terms.${kind}Go`)}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

const only = <T extends object, K extends string>(all: T, names: readonly K[]): object =>
  Object.fromEntries(Object.entries(all).filter(([name]) => (names as readonly string[]).includes(name)));
