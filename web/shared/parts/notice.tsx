import type { ComponentChildren } from 'preact';
import { useText } from '../context.ts';
import { type Refusal, refusalText } from '../logic/refusal.ts';
import { Icon } from './icon.tsx';

/** A framed sentence. `critical` and refusals interrupt a screen reader, the others do not. */
export function Notice(props: { level: 'critical' | 'warning' | 'ok' | 'plain'; children: ComponentChildren }) {
  return (
    <div class={`notice notice-${props.level}`} {...(props.level === 'critical' ? { role: 'alert' } : {})}>
      {props.level !== 'plain' && <Icon name={props.level === 'ok' ? 'ok' : 'warning'} />}
      <div class="notice-text">{props.children}</div>
    </div>
  );
}

/** What went wrong and what to do; below it, in small, what the server itself said. */
export function RefusalNotice({ refusal, onRetry }: { refusal: Refusal; onRetry?: (() => void) | undefined }) {
  const text = useText();
  return (
    <Notice level="critical">
      <p>{refusalText(refusal, text)}</p>
      {refusal.status > 0 && <ServerSaid reason={refusal.reason} message={refusal.detail} />}
      {onRetry && (
        <button type="button" onClick={onRetry}>
          {text.t('app.retry')}
        </button>
      )}
    </Notice>
  );
}

/** The server's own words; they are English whatever the page's language. */
export function ServerSaid({ reason, message }: { reason: string; message: string }) {
  const { t } = useText();
  return (
    <details class="server-said">
      <summary>{t('app.details')}</summary>
      <p lang="en">
        <code>{reason}</code>: {message}
      </p>
    </details>
  );
}
