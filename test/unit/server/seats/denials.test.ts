import { describe, expect, it } from 'vitest';
import { Denials } from '../../../../server/seats/denials.ts';
import type { HolderKey } from '../../../../server/seats/holderKey.ts';
import type { Client } from '../../../../server/seats/seatSql.ts';

const holder = (n: number) => `b\u001fu${n}\u001fpc\u001f` as HolderKey;

/** Keeps how many rows each statement had; `failsAt`: the statement, from 1, that fails once. */
function database(failsAt = 0) {
  const sizes: number[] = [];
  const stored: string[] = [];
  let calls = 0;
  const query = async (text: string, values: readonly (readonly string[])[]) => {
    if (text.startsWith('UPDATE pool')) return { rows: [] }; // that there are refusals
    calls += 1;
    if (calls === failsAt) throw new Error('the disk is full');
    sizes.push(values[1]?.length ?? 0);
    stored.push(...(values[1] ?? []));
    return { rows: [] };
  };
  return { sizes, stored, client: { query } as unknown as Client };
}
function refused(n: number): Denials {
  const denials = new Denials();
  for (let i = 0; i < n; i++) denials.note('erp', holder(i), 'SeatsExhausted');
  return denials;
}

describe('the record of refusals', () => {
  it('is stored in parts, so that requests get their turn in between, every refusal once', async () => {
    const { sizes, stored, client } = database();
    const denials = refused(1_201);
    await denials.flush(client);
    expect(sizes.length).toBeGreaterThan(1);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(500);
    expect(new Set(stored).size).toBe(1_201);
    expect(stored).toHaveLength(1_201);
    await denials.flush(client);
    expect(stored).toHaveLength(1_201);
  });
  it('is bounded: more holders than it has room for are noted when they ask again', async () => {
    const { stored, client } = database();
    const denials = refused(2_001);
    await denials.flush(client);
    expect(stored).toHaveLength(2_000);
    denials.note('erp', holder(2_000), 'SeatsExhausted');
    await denials.flush(client);
    expect(new Set(stored).size).toBe(2_001);
  });
  it('keeps what a failure left, and stores it the next time', async () => {
    const { stored, client } = database(2);
    const denials = refused(1_201);
    await expect(denials.flush(client)).rejects.toThrow('the disk is full');
    expect(stored.length).toBeLessThan(1_201);
    await denials.flush(client);
    expect([...new Set(stored)]).toHaveLength(1_201);
    expect(stored).toHaveLength(1_201);
  });
  it('tells with it who was served before it was stored', async () => {
    const rows: unknown[][] = [];
    const query = async (text: string, values: readonly (readonly unknown[])[]) => {
      if (text.includes('INSERT')) rows.push(...(values[1] ?? []).map((h, i) => [h, typeof values[6]?.[i]]));
      return { rows: [] };
    };
    const denials = refused(3);
    denials.granted('erp', holder(1));
    denials.granted('crm', holder(2));
    denials.granted('erp', holder(0));
    denials.note('erp', holder(0), 'SeatsExhausted'); // and asks again
    await denials.flush({ query } as unknown as Client);
    expect(rows).toEqual([
      [holder(0), 'object'],
      [holder(1), 'number'],
      [holder(2), 'object'],
    ]);
  });
  it('has its product announced to grants first, once in a while, and unknown products never', async () => {
    const asked: unknown[] = [];
    const query = async (text: string, values: unknown[]) => {
      asked.push(text.startsWith('UPDATE pool') ? values[0] : 'stored');
      return { rows: [] };
    };
    const denials = refused(1);
    denials.note('crm', holder(1), 'SupportRequired');
    denials.note('anything', holder(1), 'ProductUnknown');
    await denials.flush({ query } as unknown as Client);
    expect(asked).toEqual(['erp', 'crm', 'stored']);
    denials.note('erp', holder(2), 'SeatsExhausted');
    await denials.flush({ query } as unknown as Client);
    expect(asked.slice(3)).toEqual(['stored']);
  });
});
