import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sharing } from '../../../../operator/kube/sharing.ts';

const copyOf = <T>(value: T): T => JSON.parse(JSON.stringify(value));

describe('sharing', () => {
  test('takes equal parts from the other object, and leaves the rest', () => {
    const like = {
      metadata: { name: 'a', labels: { app: 'x' } },
      spec: { ports: [{ port: 1 }, { port: 2 }], list: [1] },
    };
    const next = copyOf({ ...like, metadata: { ...like.metadata, name: 'b' }, spec: { ...like.spec, list: [1, 2] } });
    const expected = copyOf(next);
    const shared = sharing(like, next);
    expect(shared).toEqual(expected);
    expect(shared).not.toBe(like);
    expect(shared.metadata.labels).toBe(like.metadata.labels);
    expect(shared.spec.ports).toBe(like.spec.ports);
    expect(shared.spec.list).not.toBe(like.spec.list);
    expect(sharing(like, copyOf(like))).toBe(like);
  });

  test('never changes a value of either', () => {
    const json = fc.jsonValue({ maxDepth: 4 });
    // Values that are alike: one with a few members of the other.
    const pair = fc.tuple(json, json, json).map(([a, b, c]) => [
      { a, b, list: [a, b, c] },
      { a, c, list: [a, c], b: c },
    ]);
    fc.assert(
      fc.property(fc.oneof(fc.tuple(json, json), pair), ([one, other]) => {
        const [like, next] = [copyOf(one), copyOf(other)];
        expect(sharing(like, next)).toStrictEqual(copyOf(other));
        expect(like).toStrictEqual(copyOf(one));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    [{}, { a: null }],
    [{ a: null }, {}],
    [[], {}],
    [{ 0: 1 }, [1]],
    [[1, 2], [1]],
    [null, { a: 1 }],
    ['a', ['a']],
  ])('takes %j not for %j', (like, next) => {
    expect(sharing(like, copyOf(next))).toStrictEqual(next);
  });
});
