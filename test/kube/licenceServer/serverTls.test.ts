import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
let dir: string;
let front: Server;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'certificates-'));
  stage = await Stage.open(inject('kubeconfig'));
  front = createServer((request, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      const answer = await fetch(`${stage.server('office').url}${request.url}`, {
        method: request.method ?? 'GET',
        headers: { authorization: request.headers.authorization ?? '' },
        ...(chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }),
      });
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await stage.close();
  front.closeAllConnections();
  await new Promise((resolve) => front.close(resolve));
  rmSync(dir, { recursive: true });
});

const openssl = (...words: string[]) => execFileSync('openssl', words, { cwd: dir, stdio: 'pipe' });
const text = (file: string) => readFileSync(join(dir, file), 'utf8');

/** A certificate by `issuer`, or by itself. */
function certify(name: string, issuer: string | undefined, isAuthority: boolean): void {
  writeFileSync(
    join(dir, `${name}.ext`),
    isAuthority
      ? 'basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign'
      : 'subjectAltName=DNS:office.accounting.svc',
  );
  openssl(
    'req',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}.key`,
    '-out',
    `${name}.csr`,
  );
  const by =
    issuer === undefined
      ? ['-signkey', `${name}.key`]
      : ['-CA', `${issuer}.crt`, '-CAkey', `${issuer}.key`, '-CAcreateserial'];
  openssl('x509', '-req', '-in', `${name}.csr`, ...by, '-days', '2', '-extfile', `${name}.ext`, '-out', `${name}.crt`);
}

/** What a Secret of type kubernetes.io/tls may hold, by who made it. */
const forms = {
  'a self-signed certificate': () => {
    certify('leaf', undefined, false);
    return { 'tls.crt': text('leaf.crt') };
  },
  'a leaf only': () => {
    certify('root', undefined, true);
    certify('leaf', 'root', false);
    return { 'tls.crt': text('leaf.crt') };
  },
  'a leaf with its intermediate': () => {
    certify('root', undefined, true);
    certify('middle', 'root', true);
    certify('leaf', 'middle', false);
    return { 'tls.crt': text('leaf.crt') + text('middle.crt') };
  },
  'a whole chain': () => {
    certify('root', undefined, true);
    certify('middle', 'root', true);
    certify('leaf', 'middle', false);
    return { 'tls.crt': text('leaf.crt') + text('middle.crt') + text('root.crt') };
  },
  'a leaf and an empty ca.crt': () => {
    certify('root', undefined, true);
    certify('leaf', 'root', false);
    return { 'tls.crt': text('leaf.crt'), 'ca.crt': '' };
  },
  'a leaf and its ca.crt': () => {
    certify('root', undefined, true);
    certify('leaf', 'root', false);
    return { 'tls.crt': text('leaf.crt'), 'ca.crt': text('root.crt') };
  },
} as const;

async function serve(form: keyof typeof forms): Promise<void> {
  const made = forms[form]();
  front.setSecureContext({ cert: made['tls.crt'], key: text('leaf.key') });
  front.closeAllConnections();
  // As a whole: an apply of stringData leaves what the last one put there.
  await stage.client.delete(kinds.Secret, stage.namespace, 'certificate');
  await stage.putKeys('certificate', { ...made, 'tls.key': text('leaf.key') });
}
const start = () => stage.start({ urlOf: () => `https://127.0.0.1:${(front.address() as AddressInfo).port}` });

describe('a server with a certificate of its own', { timeout: 120_000 }, () => {
  test.each(Object.keys(forms) as (keyof typeof forms)[])('is spoken to: %s', async (form) => {
    await serve(form);
    await start();
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.create('office', specWithKey({ tls: { secretName: 'certificate' } }));
    await stage.until('office', 'is ready', (s) => isReady(s) && condition(s, 'KeysActive')?.status === 'True');
  });

  test('is spoken to after every exchange of it, without a restart of anything', async () => {
    await serve('a leaf and its ca.crt');
    await start();
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.create('office', specWithKey({ tls: { secretName: 'certificate' } }));
    await stage.until('office', 'is ready', isReady);
    for (const form of ['a self-signed certificate', 'a leaf with its intermediate', 'a leaf only'] as const) {
      await serve(form);
      stage.server('office').stale += 1;
      stage.server('office').live += 1;
      const key = freshKey();
      await stage.putKeys('keys', { erp: key });
      const { starts } = stage.server('office');
      await stage.until('office', `rotated with ${form}`, (s) => isReady(s) && stage.server('office').starts > starts);
    }
  });

  test('is not believed when it shows the certificate of another', async () => {
    await serve('a self-signed certificate');
    await start();
    certify('leaf', undefined, false);
    front.setSecureContext({ cert: text('leaf.crt'), key: text('leaf.key') });
    await stage.putKeys('keys', { erp: freshKey() });
    await stage.create('office', specWithKey({ tls: { secretName: 'certificate' } }));
    const doubted = await stage.until('office', 'is doubted', (s) => {
      return condition(s, 'SeatsFresh')?.reason === 'ServerUnreachable';
    });
    expect(condition(doubted, 'SeatsFresh')?.message).toMatch(/CERT|SIGNATURE|VERIFY/);
    expect(stage.server('office').polls).toBe(0);
  });
});
