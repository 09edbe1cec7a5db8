import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { createActivation } from '../../../licence/activation.ts';
import { fingerprintOf, rawPublicKey } from '../../../licence/fingerprint.ts';
import { publicJwk, thumbprintOf } from '../../../licence/jwks.ts';
import { holderKey } from '../../../server/seats/holderKey.ts';
import { proofOf } from '../../../server/seats/proof.ts';
import { repository } from '../../support/sources.ts';
import { verifierIn } from '../../support/verifier.ts';

// The verifier is read from the page that clients' authors copy it from.
const dir = mkdtempSync(join(tmpdir(), 'licence-verifier-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const page = readFileSync(join(repository, 'docs/protocol.md'), 'utf8');
const code = verifierIn(page);
writeFileSync(join(dir, 'verifier.mjs'), code);
type Asked = { readonly product: string; readonly nonce: string };
const { verifyProof } = (await import(join(dir, 'verifier.mjs'))) as {
  verifyProof: (proof: string, jwks: unknown, asked: Asked, nowMs?: number) => { holder: unknown; leaseId: string };
};

const nowMs = Date.parse('2026-03-01T00:00:00Z');
const pair = () => generateKeyPairSync('ed25519');
const raw = (key: KeyObject) => rawPublicKey(key);
const base64url = (key: KeyObject) => raw(key).toString('base64url');

const vendor = pair();
const jwks = { keys: [publicJwk(base64url(vendor.publicKey))] };
const kid = thumbprintOf(base64url(vendor.publicKey));
const server = pair();
const asked = { product: 'erp', nonce: 'n-1' };

const activationOf = (over: { signer?: KeyObject; of?: KeyObject; product?: string; expiresAt?: string } = {}) => {
  const publicKey = over.of ?? server.publicKey;
  return createActivation(
    {
      keyId: '0123456789ab',
      generation: 1,
      fingerprint: fingerprintOf(raw(publicKey)),
      serverPublicKey: base64url(publicKey),
      issuedAt: '2026-01-01T00:00:00Z',
      sequence: 1,
      entitlements: {
        licenceId: 'l-1',
        organisation: 'Sample',
        product: over.product ?? 'erp',
        seatLimit: 5,
        ...(over.expiresAt === undefined ? {} : { expiresAt: over.expiresAt }),
        supportPolicy: 'warn',
        features: [],
      },
    },
    kid,
    over.signer ?? vendor.privateKey,
  );
};
const holder = { base: 'trade', user: 'anna', host: 'pc-1', session: '7' };
const proof = (
  activation = activationOf(),
  by = server,
  over: Partial<{ product: string; nonce: string; expiresAtMs: number }> = {},
) =>
  proofOf(
    { fingerprint: fingerprintOf(raw(by.publicKey)), sign: (bytes) => sign(null, bytes, by.privateKey) },
    activation,
    { ...asked, holder: holderKey(holder), leaseId: 'lease-1', nowMs, expiresAtMs: nowMs + 120_000, ...over },
  );

describe('the verifier in the documentation', () => {
  it('is as short as it is said to be', () => {
    const lines = code.split('\n').filter((line) => line.trim() !== '');
    expect(lines.length).toBeLessThanOrEqual(30);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(150);
  });

  it('accepts what a real server proves', () => {
    expect(verifyProof(proof(), jwks, asked, nowMs)).toMatchObject({ leaseId: 'lease-1', holder });
  });

  it('accepts what was proven before, under the other name and with the activation in the header', () => {
    const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const [payload = ''] = proof().split('.').slice(1);
    const { activation, ...lease } = JSON.parse(Buffer.from(payload, 'base64url').toString());
    const head = { alg: 'Ed25519', typ: 'licence-lease+jwt', kid: fingerprintOf(raw(server.publicKey)), activation };
    const signed = `${encoded(head)}.${encoded(lease)}`;
    const earlier = `${signed}.${sign(null, Buffer.from(signed), server.privateKey).toString('base64url')}`;
    expect(verifyProof(earlier, jwks, asked, nowMs)).toMatchObject({ leaseId: 'lease-1', holder });
  });

  const other = pair();
  it.each([
    [
      'an activation that somebody else has signed',
      () => proof(activationOf({ signer: other.privateKey })),
      'bad signature',
    ],
    ['a server whose key no activation names', () => proof(activationOf(), other), 'bad signature'],
    ['an activation for another product', () => proof(activationOf({ product: 'zup' })), 'another product'],
    ['a licence that has ended', () => proof(activationOf({ expiresAt: '2026-02-01T00:00:00Z' })), 'has ended'],
    ['the answer to another nonce', () => proof(activationOf(), server, { nonce: 'n-0' }), 'another question'],
    ['a seat of another product', () => proof(activationOf(), server, { product: 'zup' }), 'another question'],
    ['an expired lease', () => proof(activationOf(), server, { expiresAtMs: nowMs - 1 }), 'has expired'],
    [
      'a proof that was edited',
      () =>
        proof().replace(
          /\.[^.]+\./,
          (p) =>
            `.${Buffer.from(Buffer.from(p.slice(1, -1), 'base64url').toString().replace('anna', 'boris')).toString('base64url')}.`,
        ),
      'bad signature',
    ],
    ['an activation in the place of a lease', () => activationOf(), 'not a licence-lease'],
  ])('refuses %s', (_what, made, says) => {
    expect(() => verifyProof(made(), jwks, asked, nowMs)).toThrow(says);
  });

  it('refuses a vendor that is not trusted', () => {
    const strange = { keys: [publicJwk(base64url(other.publicKey))] };
    expect(() => verifyProof(proof(), strange, asked, nowMs)).toThrow('not trusted');
  });

  it('refuses a proof that names another server', () => {
    const named = proofOf(
      { fingerprint: fingerprintOf(raw(other.publicKey)), sign: (bytes) => sign(null, bytes, server.privateKey) },
      activationOf(),
      { ...asked, holder: holderKey(holder), leaseId: 'lease-1', nowMs, expiresAtMs: nowMs + 1_000 },
    );
    expect(() => verifyProof(named, jwks, asked, nowMs)).toThrow('another server');
  });
});

describe('the threats in the documentation', () => {
  const [, table = ''] = page.split('## Threats');
  const references = [...table.matchAll(/\[([^\]]+)\]\(\.\.\/(test\/[^)]+)\)/g)].map(([, title = '', file = '']) => ({
    title,
    file,
  }));

  it('name tests', () => {
    expect(references.length).toBeGreaterThan(20);
  });

  it.each(references)('$title is a test of $file', ({ title, file }) => {
    expect(readFileSync(join(repository, file), 'utf8')).toContain(title);
  });
});
