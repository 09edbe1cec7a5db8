import { useRef, useState } from 'preact/hooks';
import type { KeyStatus } from '../../../licence/serverStatus.ts';
import type { Refusal } from '../../shared/logic/refusal.ts';
import { Field } from '../../shared/parts/field.tsx';
import { RefusalNotice } from '../../shared/parts/notice.tsx';
import { saveFile } from '../../shared/saveFile.ts';
import { refusalOf } from '../../shared/useResource.ts';
import { useShell, useText } from '../context.ts';
import { parseActivationAnswer } from '../logic/activationAnswer.ts';
import { InstalledNotice } from './installKey.tsx';

const requestFile = 'activation-request.json';
const fileErrors = { file: 'offline.fileMissing', content: 'offline.fileWrong' } as const;

/** Activation where the server cannot reach the authority: a request file out, a response file in. */
export function OfflineActivation({ onInstalled }: { onInstalled(): void }) {
  const { t } = useText();
  const { api } = useShell();
  const keyInput = useRef<HTMLInputElement>(null);
  const fileInput = useRef<HTMLInputElement>(null);
  const [missing, setMissing] = useState<'key' | 'file' | 'content'>();
  const [refusal, setRefusal] = useState<Refusal>();
  const [downloaded, setDownloaded] = useState(false);
  const [installed, setInstalled] = useState<KeyStatus>();

  const attempt = async (work: () => Promise<void>) => {
    setMissing(undefined);
    setRefusal(undefined);
    try {
      await work();
    } catch (error) {
      setRefusal(refusalOf(error));
    }
  };
  const download = () =>
    attempt(async () => {
      const key = keyInput.current?.value.trim() ?? '';
      if (key === '') return setMissing('key');
      saveFile(requestFile, `${JSON.stringify(await api.activationRequest({ key }), undefined, 2)}\n`);
      setDownloaded(true);
    });
  const upload = () =>
    attempt(async () => {
      const file = fileInput.current?.files?.[0];
      if (file === undefined) return setMissing('file');
      const answer = parseActivationAnswer(await file.text());
      if (answer === undefined) return setMissing('content');
      setInstalled(await api.activationResponse(answer));
      onInstalled();
    });

  return (
    <details class="card">
      <summary>
        <h2>{t('offline.title')}</h2>
      </summary>
      <p class="lead">{t('offline.lead')}</p>
      <ol class="steps">
        <li>
          <p>{t('offline.step1')}</p>
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              void download();
            }}
          >
            <Field label={t('keys.text')} error={missing === 'key' ? t('keys.textMissing') : undefined}>
              {(a) => (
                <input {...a} ref={keyInput} class="key-text" autocomplete="off" spellcheck={false} maxLength={200} />
              )}
            </Field>
            <button type="submit">{t('offline.download')}</button>
          </form>
          <div role="status">{downloaded && <p>{t('offline.downloaded', { file: requestFile })}</p>}</div>
        </li>
        <li>
          <p>{t('offline.step2')}</p>
        </li>
        <li>
          <p>{t('offline.step3')}</p>
          <form
            noValidate
            onSubmit={(event) => {
              event.preventDefault();
              void upload();
            }}
          >
            <Field
              label={t('offline.file')}
              error={missing === undefined || missing === 'key' ? undefined : t(fileErrors[missing])}
            >
              {(a) => (
                <input {...a} ref={fileInput} type="file" accept=".json,.lic,.jws,.txt,application/json,text/plain" />
              )}
            </Field>
            <button type="submit">{t('offline.upload')}</button>
          </form>
        </li>
      </ol>
      <div role="status">
        {installed && <InstalledNotice installed={installed} />}
        {refusal && <RefusalNotice refusal={refusal} />}
      </div>
    </details>
  );
}
