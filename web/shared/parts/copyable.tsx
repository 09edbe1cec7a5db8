import { useState } from 'preact/hooks';
import { useText } from '../context.ts';

/** A long value with a button that copies it. */
export function Copyable({ value, name, onCopied }: { value: string; name: string; onCopied(): void }) {
  const { t } = useText();
  const [done, setDone] = useState(false);
  // The clipboard exists only in a secure context; over plain HTTP the value is there to be selected.
  const canCopy = typeof navigator.clipboard?.writeText === 'function';
  const copy = async () => {
    await navigator.clipboard.writeText(value).then(
      () => {
        setDone(true);
        onCopied();
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
