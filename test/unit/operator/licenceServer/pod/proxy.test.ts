import { describe, expect, test } from 'vitest';
import { defaultsOf } from '../../../../../operator/defaultsOf.ts';
import type { Defaults } from '../../../../../operator/licenceServer/api/defaults.ts';
import { licenceServerSpec } from '../../../../../operator/licenceServer/api/schema/spec.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { settingsOf } from '../../../../../operator/licenceServer/pod/settings.ts';
import { templateOf } from '../../../../../operator/licenceServer/pod/template.ts';
import { settings } from '../../../../../operator/settings.ts';
import { readConfig } from '../../../../../runtime/config.ts';
import { owner } from '../world.ts';

type SpecProxy = NonNullable<NonNullable<NonNullable<SpecInput['activation']>['authority']>['proxy']>;
const specOf = (proxy?: SpecProxy) =>
  licenceServerSpec.parse({ activation: { authority: { url: 'https://a.example', ...(proxy && { proxy }) } } });
const proxyIn = (proxy?: SpecProxy, usual?: Defaults['proxy']) => {
  const { HTTPS_PROXY, HTTP_PROXY, NO_PROXY, LICENCE_PROXY_FILE } = settingsOf(owner, specOf(proxy), { proxy: usual });
  return { HTTPS_PROXY, HTTP_PROXY, NO_PROXY, LICENCE_PROXY_FILE };
};
const url = 'http://proxy.example:3128';
const inside = 'localhost,127.0.0.1,::1,.svc,.cluster.local,kubernetes.default';
const none = { HTTPS_PROXY: undefined, HTTP_PROXY: undefined, NO_PROXY: undefined, LICENCE_PROXY_FILE: undefined };
const usual = { url: 'http://usual.example:3128', noProxy: ['10.0.0.0/8'] };

describe('the proxy of a server', () => {
  test('is that of its spec, else the one that all have; an empty one is none', () => {
    expect(proxyIn()).toEqual(none);
    expect(proxyIn(undefined, usual)).toEqual({
      ...none,
      HTTPS_PROXY: usual.url,
      HTTP_PROXY: usual.url,
      NO_PROXY: `${inside},10.0.0.0/8`,
    });
    expect(proxyIn({ url, noProxy: ['.example'] }, usual)).toEqual({
      ...none,
      HTTPS_PROXY: url,
      HTTP_PROXY: url,
      NO_PROXY: `${inside},.example`,
    });
    expect(proxyIn({}, usual)).toEqual(none);
  });

  test('with a password is a file of a Secret, in no variable', () => {
    const spec = specOf({ secretRef: { name: 'proxy', key: 'url' } });
    expect(proxyIn(spec.activation.authority?.proxy)).toEqual({
      ...none,
      LICENCE_PROXY_FILE: '/etc/licence/proxy/url',
      NO_PROXY: inside,
    });
    const parts = { image: 'i', keys: 'k', config: 'c', claim: 'd', marks: {}, rest: '' };
    const { volumes, containers } = templateOf(owner, spec, parts).spec as Record<string, Record<string, unknown>[]>;
    expect(volumes?.find(({ name }) => name === 'proxy')).toMatchObject({
      secret: { secretName: 'proxy', items: [{ key: 'url', path: 'url' }] },
    });
    expect(JSON.stringify(containers?.[0]?.env)).not.toContain('proxy');
  });

  test('of all may have no account, and the fault says nothing of it', () => {
    const read = (OPERATOR_SERVER_PROXY: string) =>
      defaultsOf(readConfig(settings, { OPERATOR_SERVER_PROXY }), 'n', true).proxy;
    expect(read(url)).toEqual({ url, noProxy: undefined });
    for (const wrong of ['http://user:geheim@proxy.example:3128', 'user:geheim@proxy', 'geheim']) {
      expect(() => read(wrong)).toThrow('OPERATOR_SERVER_PROXY');
      expect(() => read(wrong)).not.toThrow('geheim');
    }
  });
});
