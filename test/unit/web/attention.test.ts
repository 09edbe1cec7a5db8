import { describe, expect, it } from 'vitest';
import type { KeyStatus, ProductStatus, ServerStatus } from '../../../licence/serverStatus.ts';
import { attentionOf, byUrgency, keyLabel, regenerationsText, termState } from '../../../web/src/logic/attention.ts';
import { createText } from '../../../web/src/text/text.ts';

const now = Date.parse('2026-11-24T12:00:00Z');
const text = createText('en', 'UTC', now);
const inDays = (days: number) => new Date(now + days * 86_400_000).toISOString();

const product = (changes: Partial<ProductStatus> = {}): ProductStatus => ({
  product: 'erp',
  seatLimit: 10,
  seatsInUse: 3,
  seatsStale: 0,
  holdersWaiting: 0,
  ...changes,
});
const key = (changes: Partial<KeyStatus> = {}): KeyStatus => ({
  name: 'main',
  keyId: 'k7f3q2m9x0ab',
  state: 'Active',
  source: 'configuration',
  ...changes,
});
const status = (changes: Partial<ServerStatus> = {}): ServerStatus => ({
  version: '1.0.0',
  startedAt: inDays(-1),
  fingerprint: 'sha256:00',
  products: [product()],
  keys: [key()],
  ...changes,
});
const told = (changes: Partial<ServerStatus>) => attentionOf(status(changes), text, now);
const ofProduct = (changes: Partial<ProductStatus>) => told({ products: [product(changes)] });

describe('what needs attention', () => {
  it('are seat rules that do not do what they seem to, each as a warning', () => {
    expect(told({ ruleDoubts: ['rule a can never matter', 'rule b lets nobody have a seat'] })).toMatchObject([
      { level: 'warning', text: 'Seat rules: rule a can never matter' },
      { level: 'warning', text: 'Seat rules: rule b lets nobody have a seat' },
    ]);
  });

  it('are backups that fail, and never those that are made', () => {
    const made = { lastSuccessAt: inDays(-1), archive: 'a.tar.gz', nextAt: inDays(1) };
    expect(told({ backup: made })).toEqual([]);
    const fault = 'bucket licences at https://s3.example refuses (AccessDenied)';
    expect(told({ backup: { ...made, fault } })).toEqual([
      { level: 'warning', text: `Backups fail, the last one was made yesterday. ${fault}` },
    ]);
    const never = attentionOf(status({ backup: { fault } }), createText('ru', 'UTC', now), now);
    expect(never).toEqual([{ level: 'warning', text: `Резервные копии не создаются, ещё нет ни одной. ${fault}` }]);
  });

  it('is nothing on a healthy server', () => {
    expect(attentionOf(status(), text, now)).toEqual([]);
  });

  it('is a missing key, with the way to the keys', () => {
    expect(told({ keys: [] })).toMatchObject([{ level: 'critical', link: { href: '#/keys' } }]);
  });

  it('is the server’s trouble, in its own words', () => {
    expect(told({ trouble: 'the disk is full' })[0]?.text).toContain('the disk is full');
  });

  it('is a refused key, with what to do', () => {
    const fault = { reason: 'KeyBoundElsewhere', message: 'bound elsewhere' } as const;
    const [first] = told({ keys: [key({ state: 'Refused', fault })] });
    expect(first?.level).toBe('critical');
    expect(first?.text).toContain('main');
    expect(first?.text).toContain('Generate a new key');
  });

  it('is a pending key only once an attempt has failed', () => {
    expect(told({ keys: [key({ state: 'Pending' })] })).toEqual([]);
    const fault = { reason: 'AuthorityUnreachable', message: '' } as const;
    expect(told({ keys: [key({ state: 'Pending', fault })] })).toMatchObject([{ level: 'warning' }]);
  });

  it('is critical when somebody waits at a full product, and leads to the stale seats if there are any', () => {
    expect(ofProduct({ seatsInUse: 10, holdersWaiting: 2 })).toMatchObject([
      { level: 'critical', link: { href: '#/seats?product=erp' } },
    ]);
    expect(ofProduct({ seatsInUse: 10, holdersWaiting: 2, seatsStale: 1 })[0]).toMatchObject({
      level: 'critical',
      link: { href: '#/seats?product=erp&state=stale' },
    });
  });

  it('is critical too when somebody waits while the free seats are reserved for others', () => {
    const [first] = ofProduct({ seatsInUse: 8, holdersWaiting: 1 });
    expect(first).toMatchObject({ level: 'critical' });
    expect(first?.text).toContain('reserved for others and 1 person is waiting');
  });

  it('is only a warning when a product is full and nobody waits, and nothing one seat before', () => {
    expect(ofProduct({ seatsInUse: 10 })).toMatchObject([{ level: 'warning' }]);
    expect(ofProduct({ seatsInUse: 9 })).toEqual([]);
  });

  it('is use beyond a licence that became smaller', () => {
    expect(ofProduct({ seatsInUse: 11 })[0]?.text).toContain('No new seat is given until use falls');
  });

  it('is an ended licence instead of its exhausted seats', () => {
    const found = ofProduct({ seatsInUse: 10, holdersWaiting: 3, expiresAt: inDays(-1) });
    expect(found).toHaveLength(1);
    expect(found[0]).toMatchObject({ level: 'critical', link: { href: '#/keys' } });
  });

  it.each([
    [31, 0],
    [29, 1],
    [-1, 1],
  ])('tells of a support term that ends in %i days: %i notices', (days, count) => {
    expect(ofProduct({ supportUntil: inDays(days) })).toHaveLength(count);
  });

  it('puts what is critical first', () => {
    const found = told({
      products: [product({ seatsStale: 1 }), product({ product: 'b', seatsInUse: 10, holdersWaiting: 1 })],
    });
    expect(found.map((a) => a.level)).toEqual(['critical', 'warning']);
  });
});

it('a term is over at its very moment', () => {
  expect(termState(new Date(now).toISOString(), now)).toBe('ended');
  expect(termState(new Date(now + 1).toISOString(), now)).toBe('soon');
  expect(termState(undefined, now)).toBe('none');
});

it('products that need somebody come first, the others by name', () => {
  const order = byUrgency([
    product({ product: 'c' }),
    product({ product: 'a' }),
    product({ product: 'z', seatsInUse: 10 }),
    product({ product: 'y', seatsInUse: 10, holdersWaiting: 1 }),
  ]);
  expect(order.map((p) => p.product)).toEqual(['y', 'z', 'a', 'c']);
});

it('a key is called by its name, else by its id', () => {
  expect(keyLabel({ name: 'main', keyId: 'k' })).toBe('main');
  expect(keyLabel({ keyId: 'k' })).toBe('k');
});

it('the budget of regenerations says when the next one frees up, unless all are left', () => {
  const resetAt = '2026-12-01T00:00:00Z';
  expect(regenerationsText(key({ regenerationsLeft: 1, regenerationsResetAt: resetAt }), text)).toBe(
    '1 of 3, the next one frees up on 1 December 2026',
  );
  expect(regenerationsText(key({ regenerationsLeft: 3, regenerationsResetAt: resetAt }), text)).toBe('3 of 3');
  expect(regenerationsText(key(), text)).toBeUndefined();
});
