import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { differences } from '../../../../operator/kube/difference.ts';
import { canonicalJson, hashOf } from '../../../../operator/kube/hashOf.ts';
import { quantityOf } from '../../../../operator/kube/quantity.ts';

const paths = (wanted: unknown, found: unknown) => differences(wanted, found).map((d) => d.path);
const pod = (container: Record<string, unknown>) => ({ spec: { containers: [{ name: 'app', ...container }] } });

describe('differences', () => {
  it('are none where everything wanted is there, whatever else is', () => {
    const wanted = pod({ image: 'a', ports: [{ containerPort: 80 }] });
    const found = {
      status: {},
      spec: {
        dnsPolicy: 'ClusterFirst',
        containers: [
          { name: 'sidecar', image: 'x' },
          { name: 'app', image: 'a', ports: [{ containerPort: 80, protocol: 'TCP' }], terminationMessagePath: '/t' },
        ],
      },
    };
    expect(paths(wanted, found)).toEqual([]);
  });

  it.each([
    ['a changed field', pod({ image: 'a' }), pod({ image: 'b' }), 'spec.containers[name=app].image'],
    ['a missing field', { spec: { on: false } }, { spec: {} }, 'spec.on'],
    ['a missing container', pod({}), { spec: { containers: [] } }, 'spec.containers[name=app]'],
    [
      'one more element of a list that is one value',
      { spec: { args: ['a'] } },
      { spec: { args: ['a', 'b'] } },
      'spec.args',
    ],
    ['another order of it', { a: ['x', 'y'] }, { a: ['y', 'x'] }, 'a[0]'],
    ['an emptied list', { a: [] }, { a: ['x'] }, 'a'],
    [
      'one more rule of a network policy',
      { spec: { ingress: [{ ports: [{ port: 1 }] }] } },
      { spec: { ingress: [{ ports: [{ port: 1 }, { port: 2 }] }] } },
      'spec.ingress[0].ports',
    ],
    [
      'a port of another protocol',
      { spec: { ports: [{ port: 53, protocol: 'UDP' }] } },
      { spec: { ports: [{ port: 53, protocol: 'TCP' }] } },
      'spec.ports[port=53,protocol=UDP]',
    ],
    [
      'a missing finalizer',
      { metadata: { finalizers: ['a'] } },
      { metadata: { finalizers: ['b'] } },
      'metadata.finalizers',
    ],
    ['a map in place of a text', { a: { b: 'c' } }, { a: 'c' }, 'a'],
    ['a smaller limit', { limits: { memory: '2Gi' } }, { limits: { memory: '1Gi' } }, 'limits.memory'],
    [
      'another text that reads like a quantity elsewhere',
      { data: { size: '1024Mi' } },
      { data: { size: '1Gi' } },
      'data.size',
    ],
  ])('find %s', (_, wanted, found, path) => {
    expect(paths(wanted, found)).toContain(path);
  });

  it('see the same quantity in another writing', () => {
    const wanted = { resources: { requests: { cpu: '1000m', memory: '1024Mi' }, limits: { cpu: 2 } } };
    const found = { resources: { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '2' } } };
    expect(paths(wanted, found)).toEqual([]);
  });

  it('leave undefined and null alone where nothing is', () => {
    expect(paths({ a: undefined, b: null }, {})).toEqual([]);
  });

  it('of anything and itself with more fields around are none', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.dictionary(fc.string(), fc.jsonValue()), (a, more) => {
        expect(differences(a, { ...more, ...a })).toEqual([]);
      }),
    );
  });
});

describe('quantities', () => {
  it.each([
    ['500m', '0.5'],
    ['1Gi', '1024Mi'],
    ['1e3', '1k'],
    ['1E3', '1000'],
    ['1E', '1000P'],
    ['-1.5', '-1500m'],
    ['.5', '0.50'],
  ])('%s is %s', (a, b) => {
    expect(quantityOf(a)).toBe(quantityOf(b));
    expect(quantityOf(a)).toBeDefined();
  });
  it.each(['', '.', '1 Gi', 'abc', '1GiB', '0x10', '1e100'])('"%s" is none', (text) => {
    expect(quantityOf(text)).toBeUndefined();
  });
});

describe('hashes', () => {
  it('do not depend on the order of fields, nor on undefined ones', () => {
    expect(canonicalJson({ b: 1, a: [undefined, { d: 'x', c: undefined }] })).toBe('{"a":[null,{"d":"x"}],"b":1}');
    expect(hashOf({ a: 1, b: 2 })).toBe(hashOf({ b: 2, a: 1 }));
    expect(hashOf({ a: 1 })).not.toBe(hashOf({ a: '1' }));
    expect(hashOf({})).toMatch(/^[0-9a-f]{16}$/);
  });
});
