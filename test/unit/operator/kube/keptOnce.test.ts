import { describe, expect, test } from 'vitest';
import { partOnce, textOnce } from '../../../../operator/kube/keptOnce.ts';
import type { KubeObject } from '../../../../operator/kube/object.ts';
import { Store } from '../../../../operator/kube/store.ts';

describe('what stands in many objects', () => {
  test('is kept once', () => {
    const owner = () => [{ kind: 'LicenceServer', name: 'office', uid: 'u1' }];
    expect(partOnce(owner())).toBe(partOnce(owner()));
    expect(partOnce([...owner(), {}])).not.toBe(partOnce(owner()));
    expect(textOnce('accounting-office')).toBe('accounting-office');
  });

  test('is forgotten when much else has come since', () => {
    const part = partOnce({ some: 'part' });
    for (let i = 0; i < 5_000; i++) partOnce({ i });
    const later = partOnce({ some: 'part' });
    expect(later).toEqual(part);
    expect(later).not.toBe(part);
  });

  test('of the objects of one owner are its labels and the reference to it, whatever their kinds', () => {
    const object = (kind: string): KubeObject => ({
      kind,
      metadata: {
        ...{ name: `office-${kind}`, namespace: 'n', uid: kind, resourceVersion: '1' },
        labels: { 'app.kubernetes.io/instance': 'office' },
        ownerReferences: [{ apiVersion: 'v1', kind: 'LicenceServer', name: 'office', uid: 'u1' }],
      },
    });
    const kept = ['Service', 'Secret'].map((kind) => {
      const store = new Store();
      store.put(object(kind));
      return store.list()[0]?.metadata;
    });
    expect(kept[0]).toEqual(object('Service').metadata);
    expect(kept[1]?.labels).toBe(kept[0]?.labels);
    expect(kept[1]?.ownerReferences).toBe(kept[0]?.ownerReferences);
  });
});
