import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { http1 } from '../../runtime/http1.ts';

/**
 * How a restore in a cluster tells the operator what came of it: in a Secret that was made for it, the only one that it may
 * read or change. What became of it stands in an annotation; identity and tokens, if the archive holds them, in its data.
 */
export interface RestoreReport {
  readonly archive?: string;
  readonly fingerprint?: string;
  readonly restoredAt?: string;
  /** There is data already: nothing was restored. */
  readonly kept?: boolean;
  /** Why nothing was restored yet; it is tried again. */
  readonly fault?: string;
}

/** Keep equal to the operator's. */
export const restoreAnnotation = 'licensing.softonit.ru/restore';

export interface ReportTo {
  /** Base address of the API server. */
  readonly apiUrl: string;
  /** Directory with `token`, `ca.crt` and `namespace` of the service account. */
  readonly dir: string;
  /** Name of the Secret. */
  readonly secret: string;
}

/** @param data texts by key. @throws Error when it cannot be told */
export async function reportRestore(
  to: ReportTo,
  report: RestoreReport,
  data?: Readonly<Record<string, string>>,
): Promise<void> {
  const read = (name: string) => readFileSync(join(to.dir, name), 'utf8').trim();
  const secure = to.apiUrl.startsWith('https');
  const agent = new Agent({ ...http1, connect: secure ? { ca: read('ca.crt') } : {} });
  const path = `/api/v1/namespaces/${read('namespace')}/secrets/${to.secret}`;
  try {
    const answer = await request(`${to.apiUrl}${path}`, {
      method: 'PATCH',
      dispatcher: agent,
      headers: { authorization: `Bearer ${read('token')}`, 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify({
        metadata: { annotations: { [restoreAnnotation]: JSON.stringify(report) } },
        ...(data === undefined ? {} : { stringData: data }),
      }),
      headersTimeout: 10_000,
      bodyTimeout: 10_000,
    });
    const { reason = '' } = (await answer.body.json().catch(() => ({}))) as { readonly reason?: string };
    if (answer.statusCode !== 200) {
      throw new Error(`the API server answers PATCH ${path} with status ${answer.statusCode} ${reason}`);
    }
  } finally {
    await agent.destroy();
  }
}
