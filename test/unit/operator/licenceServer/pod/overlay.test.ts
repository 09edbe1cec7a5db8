import { describe, expect, test } from 'vitest';
import { overlay, overlayFault } from '../../../../../operator/licenceServer/pod/overlay.ts';

type Json = Record<string, unknown>;

describe('an overlay', () => {
  const containing = (container: Json) => ({ containers: [{ name: 'server', ...container }] });
  test.each<[string, Json, Json, Json]>([
    ['merges objects', { a: 1, b: { c: 2 } }, { b: { d: 3 } }, { a: 1, b: { c: 2, d: 3 } }],
    ['replaces scalars', { a: 1 }, { a: 2 }, { a: 2 }],
    ['removes what is null', { a: 1, b: 2 }, { a: null }, { b: 2 }],
    [
      'matches containers by name, wherever they stand',
      { containers: [{ name: 'server', image: 'a', args: ['x'] }] },
      {
        containers: [
          { name: 'proxy', image: 'p' },
          { name: 'server', args: ['y'] },
        ],
      },
      {
        containers: [
          { name: 'server', image: 'a', args: ['y'] },
          { name: 'proxy', image: 'p' },
        ],
      },
    ],
    [
      'matches mounts by their path',
      containing({ volumeMounts: [{ name: 'data', mountPath: '/a' }] }),
      containing({ volumeMounts: [{ name: 'mine', mountPath: '/b' }] }),
      containing({
        volumeMounts: [
          { name: 'data', mountPath: '/a' },
          { name: 'mine', mountPath: '/b' },
        ],
      }),
    ],
    [
      'matches ports by number and protocol',
      containing({ ports: [{ containerPort: 1, name: 'a' }] }),
      containing({ ports: [{ containerPort: 1, protocol: 'UDP', name: 'b' }] }),
      containing({
        ports: [
          { containerPort: 1, name: 'a' },
          { containerPort: 1, protocol: 'UDP', name: 'b' },
        ],
      }),
    ],
    [
      'matches resource claims by name, as the API server does',
      { resourceClaims: [{ name: 'ours', resourceClaimName: 'a' }] },
      { resourceClaims: [{ name: 'theirs', resourceClaimName: 'b' }] },
      {
        resourceClaims: [
          { name: 'ours', resourceClaimName: 'a' },
          { name: 'theirs', resourceClaimName: 'b' },
        ],
      },
    ],
    ['replaces other lists as a whole', { args: ['a', 'b'] }, { args: ['c'] }, { args: ['c'] }],
    ['adds what is new', {}, { hostNetwork: true }, { hostNetwork: true }],
  ])('%s', (_, base, over, expected) => {
    const before = structuredClone(base);
    expect(overlay(base, over)).toEqual(expected);
    expect(base).toEqual(before);
  });
});

describe('a partial pod spec', () => {
  test.each([
    [{ containers: 'x' }, 'spec.podTemplate.spec.containers must be a list'],
    [{ volumes: {} }, 'spec.podTemplate.spec.volumes must be a list'],
    [{ volumes: [null] }, 'spec.podTemplate.spec.volumes[0] must be an object'],
    [{ containers: [{}, 7] }, 'spec.podTemplate.spec.containers[1] must be an object'],
    [{ containers: [{ env: 'x' }] }, 'spec.podTemplate.spec.containers[0].env must be a list'],
    [{ initContainers: [{ envFrom: [[]] }] }, 'spec.podTemplate.spec.initContainers[0].envFrom[0] must be an object'],
  ])('is refused where it is none: %j', (over, fault) => {
    expect(overlayFault(over)).toBe(fault);
  });

  test.each([[{}], [{ containers: null }], [{ containers: [], volumes: [{ name: 'a' }] }], [{ hostNetwork: 'x' }]])(
    'is left to the API server otherwise: %j',
    (over) => {
      expect(overlayFault(over)).toBeUndefined();
    },
  );
});
