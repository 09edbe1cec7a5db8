import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { licenceServerSpec } from '../../../../../operator/licenceServer/api/schema/spec.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { askedOf, parseAsked } from '../../../../../operator/licenceServer/pod/asked.ts';
import { settingsOf } from '../../../../../operator/licenceServer/pod/settings.ts';
import { restOf } from '../../../../../operator/licenceServer/pod/template.ts';
import { owner } from '../world.ts';

/** Edits of every field of spec, whether the pod depends on it or not. */
const edits: readonly SpecInput[] = [
  { image: 'private/server:2' },
  { imagePullPolicy: 'Always' },
  { imagePullSecrets: [{ name: 'registry' }] },
  { fixedIds: 'Disabled' },
  { replicas: 2 },
  { suspend: true },
  { keys: [{ name: 'erp', secretRef: { name: 'keys', key: 'erp' } }] },
  { activation: { mode: 'Offline' } },
  { activation: { authority: { url: 'https://a.example' } } },
  { activation: { authority: { trustedKeys: { configMapRef: { name: 'v' } } } } },
  { activation: { authority: { trustedKeys: { configMapRef: { name: 'w' } } } } },
  { activation: { authority: { caRef: { configMap: { name: 'ca' } } } } },
  { activation: { authority: { caRef: { secret: { name: 'ca' } } } } },
  { activation: { authority: { tokenSecretRef: { name: 't' } } } },
  { storage: { size: '5Gi' } },
  { storage: { accessModes: ['ReadWriteMany'] } },
  { storage: { existingClaim: 'c' } },
  { storage: { reclaimPolicy: 'Delete' } },
  { database: { secretRef: { name: 'db' } } },
  { database: { secretRef: { name: 'db', key: 'url' } } },
  { seats: { leaseSeconds: 60 } },
  { seats: { reservations: [{ product: 'erp', seats: 5, users: ['a'] }] } },
  { seats: { rules: [{ name: 'few', product: 'erp', match: { users: ['a'] }, max: 5 }] } },
  { seats: { rules: [{ name: 'few', product: 'erp', match: { groups: ['sales'] }, max: 5 }] } },
  { seats: { groups: { configMapRef: { name: 'people' } } } },
  { seats: { groups: { configMapRef: { name: 'others' } } } },
  { seats: { rules: [] } },
  { staleSeats: { after: '45m' } },
  { staleSeats: { when: 'Always', threshold: 7, minInterval: '2h', policy: 'Release' } },
  { keyRotation: { verifyTimeout: '1m' } },
  { activation: { authority: { proxy: { url: 'http://proxy.example:3128' } } } },
  { activation: { authority: { proxy: { url: 'http://proxy.example:3128', noProxy: ['10.0.0.0/8'] } } } },
  { activation: { authority: { proxy: { secretRef: { name: 'proxy' } } } } },
  { activation: { authority: { proxy: { secretRef: { name: 'proxy', key: 'other' } } } } },
  { activation: { authority: { proxy: {} } } },
  { database: { secretRef: { name: 'db' }, caRef: { configMap: { name: 'ca' } } } },
  { database: { secretRef: { name: 'db' }, caRef: { secret: { name: 'ca' } } } },
  { http: {} },
  { http: { trustedProxies: ['10.0.0.0/8'], keepAliveSeconds: 95 } },
  { http: { pathPrefix: '/licences' } },
  { httpRoute: { parentRefs: [{ name: 'gateway' }] } },
  { access: { clients: 'ServiceAccount' } },
  { access: { allowFrom: [{ podSelector: {} }] } },
  { service: { port: 80, annotations: { team: 'a' } } },
  { ingress: { host: 'erp.example' } },
  { tls: { secretName: 't' } },
  { tls: { secretName: 'u' } },
  { monitoring: { dashboard: 'Disabled' } },
  { resources: { limits: { memory: '1Gi' } } },
  { backup: { schedule: '0 3 * * *', destination: { claim: { claimName: 'backups' } } } },
  { backup: { schedule: '0 3 * * *', destination: { claim: { claimName: 'backups', subPath: 'office' } } } },
  { backup: { schedule: '0 4 * * *', retention: { keep: 7 }, destination: { claim: { claimName: 'backups' } } } },
  ...[
    {},
    { prefix: 'a/' },
    { forcePathStyle: false },
    { caRef: { secret: { name: 'ca' } } },
    { caRef: { configMap: { name: 'ca' } } },
    { credentialsSecretRef: { name: 'other' } },
  ].map((more) => ({
    backup: {
      schedule: '0 3 * * *',
      destination: {
        s3: { endpoint: 'https://s3.example', bucket: 'licences', credentialsSecretRef: { name: 'account' }, ...more },
      },
    },
  })),
  { podTemplate: { metadata: { labels: { team: 'a' } } } },
  { podTemplate: { spec: { containers: [{ name: 'server', image: 'x' }] } } },
];
const specs = fc
  .subarray([...edits], { maxLength: 5 })
  .map((chosen) => licenceServerSpec.parse(Object.assign({}, ...chosen)));

describe('what a person asked for', () => {
  test('differs exactly where what is rendered for it does', { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(specs, specs, (a, b) => {
        const [was, is] = [askedOf(a), askedOf(b)];
        const rest = (spec: typeof a) =>
          restOf(owner, spec, {
            claim: spec.storage.existingClaim ?? 'office-data',
            trust: spec.activation.authority?.trustedKeys && 't',
          });
        expect(was.config === is.config).toBe(
          JSON.stringify(settingsOf(owner, a)) === JSON.stringify(settingsOf(owner, b)),
        );
        expect(was.template === is.template).toBe(rest(a) === rest(b));
      }),
      { numRuns: 2_000 },
    );
  });

  test('is not read from what somebody else wrote', () => {
    const asked = askedOf(licenceServerSpec.parse({}));
    expect(parseAsked(JSON.stringify(asked))).toEqual(asked);
    expect(parseAsked(JSON.stringify({ ...asked, form: 0 }))).toBeUndefined();
    for (const text of [undefined, '', 'x', '{}', '{"form":1,"image":1,"config":"c","template":"t"}', 'null', '[]']) {
      expect(parseAsked(text)).toBeUndefined();
    }
  });
});
