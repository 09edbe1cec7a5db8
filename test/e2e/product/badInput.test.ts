import { beforeAll, describe, expect, it } from 'vitest';
import { keySecret, sampleObjects } from '../../../demo/product.ts';
import { eventually, type Observed, type Product, startTestServer, useProduct } from '../../support/product.ts';

const namespace = 'e2e-faults';

describe('what a person can get wrong on a cluster', () => {
  let product: Product;
  beforeAll(async () => {
    product = await useProduct();
  });
  const conditionOf = async (name: string, type: string) =>
    (await product.kubectl.get<Observed>(namespace, 'licenceserver', name))?.status?.conditions?.find(
      (c) => c.type === type,
    );

  it('a missing Secret is named in a condition, and healed the moment it appears', async () => {
    const name = 'missing-secret';
    const { key } = await product.vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 1 });
    const objects = await sampleObjects({ namespace, name, vendor: product.vendor, key });
    await product.kubectl.apply(objects.filter((o) => (o as { kind: string }).kind !== 'Secret'));
    const condition = await eventually('the condition', 60_000, async () => {
      const found = await conditionOf(name, 'KeysActive');
      return found?.status === 'False' ? found : undefined;
    });
    expect(condition.message).toContain(`${name}-keys`);
    await product.kubectl.apply([keySecret(namespace, name, key)]);
    await product.kubectl(['-n', namespace, 'wait', `lics/${name}`, '--for=condition=Ready', '--timeout=120s'], {
      timeoutMs: 130_000,
    });
  });

  it('a mistyped first key is told apart from an unknown one', async () => {
    const name = 'mistyped';
    await product.kubectl.apply(await sampleObjects({ namespace, name, vendor: product.vendor, key: '7K2QF-ABCDE' }));
    const condition = await eventually('the condition', 120_000, async () => {
      const found = await conditionOf(name, 'KeysActive');
      return found?.status === 'False' && found.reason === 'KeyMalformed' ? found : undefined;
    });
    expect(condition.message).not.toContain('7K2QF');
  });

  it('a key that another computer has activated is refused with what to do', async () => {
    const owner = await startTestServer(product, { namespace }, { seatLimit: 1 });
    const name = 'second-computer';
    await product.kubectl.apply(await sampleObjects({ namespace, name, vendor: product.vendor, key: owner.key.key }));
    const condition = await eventually('the condition', 120_000, async () => {
      const found = await conditionOf(name, 'KeysActive');
      return found?.reason === 'KeyBoundElsewhere' ? found : undefined;
    });
    expect(condition.message).toMatch(/generate|regenerate/i);
  });
});
