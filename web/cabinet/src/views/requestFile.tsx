import { useRef, useState } from 'preact/hooks';
import { Field } from '../../../shared/parts/field.tsx';
import { Notice, RefusalNotice } from '../../../shared/parts/notice.tsx';
import { saveFile } from '../../../shared/saveFile.ts';
import { useShell, useText } from '../context.ts';
import { parseRequestFile } from '../logic/requestFile.ts';
import { useAttempt } from '../useAttempt.ts';

const responseFile = 'activation-response.json';

/** Answers the request file of a licence server without a network: uploaded or pasted. */
export function RequestFile() {
  const { t } = useText();
  const { api } = useShell();
  const file = useRef<HTMLInputElement>(null);
  const pasted = useRef<HTMLTextAreaElement>(null);
  const [fault, setFault] = useState<'missing' | 'wrong'>();
  const [answer, setAnswer] = useState<string>();
  const attempt = useAttempt();
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    setAnswer(undefined);
    const chosen = file.current?.files?.[0];
    const text = pasted.current?.value.trim() || (await chosen?.text()) || '';
    const request = parseRequestFile(text);
    setFault(text === '' ? 'missing' : request === undefined ? 'wrong' : undefined);
    if (request === undefined) return;
    await attempt.run(async () => setAnswer(`${JSON.stringify(await api.respond(request), undefined, 2)}\n`));
  };
  return (
    <>
      <div>
        <h1 tabIndex={-1}>{t('request.title')}</h1>
        <p class="lead">{t('request.lead')}</p>
      </div>
      <section class="card">
        <form onSubmit={submit} noValidate>
          <Field label={t('request.file')} hint={t('request.fileHint')}>
            {(a) => <input {...a} ref={file} type="file" accept=".json,.txt,application/json,text/plain" />}
          </Field>
          <Field label={t('request.paste')} error={fault && t(`request.${fault}`)}>
            {(a) => <textarea {...a} ref={pasted} rows={6} spellcheck={false} maxLength={10_000} />}
          </Field>
          <button type="submit" class="primary" disabled={attempt.busy}>
            {t('request.go')}
          </button>
        </form>
        <div role="status">
          {attempt.refusal && <RefusalNotice refusal={attempt.refusal} />}
          {answer && (
            <Notice level="ok">
              <p>{t('request.done')}</p>
              <button type="button" onClick={() => saveFile(responseFile, answer)}>
                {t('request.save')}
              </button>
              <details>
                <summary>{t('request.show')}</summary>
                {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keyboard */}
                <pre tabIndex={0}>{answer}</pre>
              </details>
            </Notice>
          )}
        </div>
      </section>
    </>
  );
}
