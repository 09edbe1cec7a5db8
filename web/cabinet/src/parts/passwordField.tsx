import type { Ref } from 'preact';
import { useState } from 'preact/hooks';
import { Field } from '../../../shared/parts/field.tsx';
import { useText } from '../context.ts';

/** A password that can be looked at. A new one says how long it has to be. */
export function PasswordField(props: {
  label: string;
  name: string;
  isNew?: boolean;
  error?: string | undefined;
  inputRef?: Ref<HTMLInputElement>;
}) {
  const { t } = useText();
  const [shown, setShown] = useState(false);
  return (
    <>
      <Field label={props.label} hint={props.isNew ? t('password.hint') : undefined} error={props.error}>
        {(a) => (
          <input
            {...a}
            {...(props.inputRef === undefined ? {} : { ref: props.inputRef })}
            name={props.name}
            {...(shown ? { type: 'text' as const } : { type: 'password' as const })}
            autocomplete={props.isNew ? 'new-password' : 'current-password'}
            autocapitalize="none"
            spellcheck={false}
            maxLength={200}
            required
          />
        )}
      </Field>
      <label class="check">
        <input type="checkbox" checked={shown} onChange={(e) => setShown(e.currentTarget.checked)} />
        {t('password.show')}
      </label>
    </>
  );
}

/** Whether a new password is long enough. */
export const isLongEnough = (password: string): boolean => password.length >= 12;
