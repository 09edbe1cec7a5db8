import { Copyable } from '../../../shared/parts/copyable.tsx';
import { Dialog } from '../../../shared/parts/dialog.tsx';
import { Notice } from '../../../shared/parts/notice.tsx';
import { useShell, useText } from '../context.ts';
import type { IssuedKey } from '../wire.ts';

/** Shows a new key, this once. */
export function NewKeyDialog({ issued, next, onClose }: { issued: IssuedKey; next: string; onClose(): void }) {
  const { t } = useText();
  const { say } = useShell();
  return (
    <Dialog title={t('newKey.title')} onClose={onClose}>
      <div class="new-key">
        <Copyable value={issued.key} name={t('newKey.key')} onCopied={() => say(t('app.copied'))} />
      </div>
      <Notice level="warning">
        <p>{t('newKey.once')}</p>
      </Notice>
      <p>{next}</p>
      <div class="dialog-actions">
        <button type="button" class="primary" onClick={onClose}>
          {t('newKey.kept')}
        </button>
      </div>
    </Dialog>
  );
}
