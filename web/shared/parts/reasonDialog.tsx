import { useRef, useState } from 'preact/hooks';
import { useText } from '../context.ts';
import type { Refusal } from '../logic/refusal.ts';
import { refusalOf } from '../useResource.ts';
import { Dialog } from './dialog.tsx';
import { Field } from './field.tsx';
import { RefusalNotice } from './notice.tsx';

export interface ReasonDialogProps {
  readonly title: string;
  readonly text: string;
  readonly action: string;
  readonly words: { readonly reason: string; readonly hint: string; readonly missing: string };
  onClose(): void;
  /** Does it; when it throws, the dialog stays open and says why. */
  onReason(reason: string): Promise<void>;
}

/** Asks for the reason of something that takes from another person, and does it. */
export function ReasonDialog({ title, text, action, words, onClose, onReason }: ReasonDialogProps) {
  const { t } = useText();
  const [missing, setMissing] = useState(false);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  const input = useRef<HTMLInputElement>(null);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const reason = input.current?.value.trim() ?? '';
    setMissing(reason === '');
    if (reason === '') return input.current?.focus();
    setBusy(true);
    try {
      await onReason(reason);
    } catch (error) {
      setRefusal(refusalOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <p>{text}</p>
      <form onSubmit={submit} noValidate>
        <Field label={words.reason} hint={words.hint} error={missing ? words.missing : undefined}>
          {(a) => <input {...a} ref={input} maxLength={200} autocomplete="off" required />}
        </Field>
        {refusal && <RefusalNotice refusal={refusal} />}
        <div class="dialog-actions">
          <button type="button" onClick={onClose}>
            {t('app.cancel')}
          </button>
          <button type="submit" class="danger" disabled={busy}>
            {action}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
