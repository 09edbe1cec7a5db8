import { useState } from 'preact/hooks';
import { useText } from '../context.ts';
import type { Refusal } from '../logic/refusal.ts';
import { refusalOf } from '../useResource.ts';
import { Dialog } from './dialog.tsx';
import { RefusalNotice } from './notice.tsx';

/** Asks before something is done that a person might regret; when `onConfirm` throws, the dialog stays and says why. */
export function ConfirmDialog(props: {
  title: string;
  text: string;
  action: string;
  onClose(): void;
  onConfirm(): Promise<void>;
}) {
  const { t } = useText();
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal>();
  const confirm = async () => {
    setBusy(true);
    try {
      await props.onConfirm();
    } catch (error) {
      setRefusal(refusalOf(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <p>{props.text}</p>
      {refusal && <RefusalNotice refusal={refusal} />}
      <div class="dialog-actions">
        <button type="button" onClick={props.onClose}>
          {t('app.cancel')}
        </button>
        <button type="button" class="danger" disabled={busy} onClick={confirm}>
          {props.action}
        </button>
      </div>
    </Dialog>
  );
}
