import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KubeObject } from '../../../../operator/kube/object.ts';
import { isNewer, metadataOnly, Store } from '../../../../operator/kube/store.ts';

const object = (version: number, fields: Record<string, unknown> = {}, uid = 'u1', name = 'a'): KubeObject => ({
  metadata: { namespace: 'ns', name, uid, resourceVersion: String(version) },
  ...fields,
});

function told(store: Store): string[] {
  const lines: string[] = [];
  const version = (o: KubeObject) => o.metadata.resourceVersion;
  store.onChange({
    add: (o, origin) => lines.push(`add ${o.metadata.name}@${version(o)} ${origin}`),
    update: (a, b, origin) => lines.push(`update ${version(a)}→${version(b)} ${origin}`),
    delete: (o, origin) => lines.push(`delete ${o.metadata.name}@${version(o)} ${origin}`),
  });
  return lines;
}

describe('a store fed by a watch', () => {
  it('tells of what was added, updated and deleted', () => {
    const store = new Store();
    const lines = told(store);
    store.replace([object(1)], '5');
    store.put(object(6));
    store.remove(object(7));
    expect(lines).toEqual(['add a@1 list', 'update 1→6 watch', 'delete a@6 watch']);
  });

  it('keeps once what an object has in common with the one before it, or with its own past', () => {
    const store = new Store();
    const spec = () => ({ ports: [{ port: 8080 }], list: ['x', 'y'] });
    store.replace([object(1, { spec: spec() }), object(2, { spec: spec(), status: { ready: true } }, 'u2', 'b')], '5');
    store.put(object(6, { spec: spec(), status: { ready: false } }, 'u2', 'b'));
    expect(store.get('ns/b')).toEqual(object(6, { spec: spec(), status: { ready: false } }, 'u2', 'b'));
    expect(store.get('ns/b')?.spec).toBe(store.get('ns/a')?.spec);
  });

  it('keeps of a list that comes in pages as much as of one that comes at once', () => {
    const list = () =>
      ['a', 'b', 'c'].map((name) => object(1, { spec: { list: ['x', 'y'] }, status: { name } }, name, name));
    const [paged, whole] = [1, 2].map(() => new Store({ transform: ({ status: _, ...rest }) => rest as KubeObject }));
    if (paged === undefined || whole === undefined) throw new Error('no store');
    const kept = list().map((raw) => paged.kept(raw));
    expect(kept[2]).not.toHaveProperty('status');
    expect(kept[2]?.spec).toBe(kept[0]?.spec);
    paged.replace(kept, '5');
    whole.replace(list(), '5');
    expect(paged.list()).toEqual(whole.list());
    // Listed once more: what is there stands for what comes.
    expect(paged.kept(list()[1] as KubeObject)).toBe(paged.get('ns/b'));
  });

  it('tells late followers of what is there', () => {
    const store = new Store();
    store.replace([object(1)], '5');
    expect(told(store)).toEqual(['add a@1 list']);
  });

  it('removes what a full list lacks, in its namespace only', () => {
    const store = new Store();
    const other: KubeObject = { metadata: { namespace: 'other', name: 'a', resourceVersion: '2', uid: 'u2' } };
    store.replace([object(1), other], '5');
    store.replace([], '9', 'ns');
    expect(store.keys()).toEqual(['other/a']);
    store.replace([], '10');
    expect(store.size).toBe(0);
  });

  it('sees a deleted and recreated object as two', () => {
    const store = new Store();
    const lines = told(store);
    store.replace([object(1, {}, 'u1')], '5');
    store.replace([object(8, {}, 'u2')], '9');
    expect(lines).toEqual(['add a@1 list', 'delete a@1 list', 'add a@8 list']);
  });

  it('takes what a server with a shorter history says, after its list', () => {
    const store = new Store();
    store.replace([object(900)], '900');
    store.replace([object(3)], '5');
    expect(store.get('ns/a')?.metadata.resourceVersion).toBe('3');
  });

  it('drops managed fields and what the transform leaves out', () => {
    const store = new Store({ transform: metadataOnly });
    const metadata = { namespace: 'ns', name: 's', resourceVersion: '1', managedFields: [{}], labels: { a: 'b' } };
    store.put({ apiVersion: 'v1', kind: 'Secret', metadata, data: { password: 'x' } });
    expect(store.get('ns/s')).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace: 'ns', name: 's', resourceVersion: '1', labels: { a: 'b' } },
    });
  });

  it('finds by index, and no longer once the value changed', () => {
    const store = new Store({ indexes: { color: (o) => [String(o.color)] } });
    store.put(object(1, { color: 'red' }));
    expect(store.byIndex('color', 'red')).toHaveLength(1);
    store.put(object(2, { color: 'blue' }));
    expect(store.byIndex('color', 'red')).toEqual([]);
    expect(store.byIndex('color', 'blue')).toHaveLength(1);
    store.remove(object(3));
    expect(store.byIndex('color', 'blue')).toEqual([]);
    expect(() => store.byIndex('shape', 'x')).toThrow('no index "shape"');
  });

  it('tells the other handlers when one throws', () => {
    const errors: unknown[] = [];
    const store = new Store({ onHandlerError: (error) => errors.push(error) });
    store.onChange({
      add: () => {
        throw new Error('bug');
      },
    });
    const lines = told(store);
    store.put(object(1));
    expect(lines).toEqual(['add a@1 watch']);
    expect(errors).toHaveLength(1);
  });
});

describe('own writes', () => {
  it('are seen at once, and their event is no news', () => {
    const store = new Store();
    store.replace([object(1)], '1');
    const lines = told(store);
    store.assume(object(5, { mine: true }));
    expect(store.get('ns/a')?.mine).toBe(true);
    store.put(object(5, { mine: true }));
    expect(lines.slice(1)).toEqual(['update 1→5 own']);
  });

  it('are not undone by older events on their way', () => {
    const store = new Store();
    store.replace([object(1)], '1');
    store.assume(object(5, { mine: true }));
    store.put(object(3));
    expect(store.get('ns/a')?.mine).toBe(true);
  });

  it('may be answered out of order', () => {
    const store = new Store();
    store.assume(object(6, { second: true }));
    store.assume(object(5));
    expect(store.get('ns/a')?.second).toBe(true);
  });

  it('do not hide what somebody else changed before them', () => {
    const store = new Store();
    store.replace([object(1)], '1');
    const lines = told(store);
    store.assume(object(5, { mine: true, theirs: true }));
    store.assume(object(6, { mine: true, theirs: true }));
    store.put(object(4, { theirs: true }));
    store.put(object(5, { mine: true, theirs: true }));
    store.put(object(6, { mine: true, theirs: true }));
    expect(lines.slice(1)).toEqual(['update 1→5 own', 'update 5→6 own', 'update 1→6 watch']);
  });

  it('do not hide it behind a full list either', () => {
    const store = new Store();
    store.replace([object(1)], '1');
    const lines = told(store);
    store.assume(object(5));
    store.replace([object(5)], '9');
    expect(lines.slice(1)).toEqual(['update 1→5 own', 'update 1→5 list']);
  });

  it('survive a list that was taken before them, but not two', () => {
    const store = new Store();
    store.assume(object(5));
    store.replace([], '4');
    expect(store.size).toBe(1);
    store.replace([], '4');
    expect(store.size).toBe(0);
  });

  it('bring nothing back that the watch said was deleted', () => {
    const store = new Store();
    store.replace([], '1');
    store.put(object(5));
    store.remove(object(6));
    store.assume(object(5));
    expect(store.size).toBe(0);
  });

  it('a deletion stands until the watch tells of it, and a successor of that name is another object', () => {
    const store = new Store();
    store.replace([object(1)], '1');
    store.assumeDeleted('ns/a', 'u1');
    expect(store.size).toBe(0);
    store.put(object(2));
    expect(store.size).toBe(0);
    store.assume(object(7, {}, 'u2'));
    store.remove(object(3));
    expect(store.get('ns/a')?.metadata.uid).toBe('u2');
  });

  it('whatever order answers and events come in: the last state is shown, and every change by others is told after it happened', () => {
    const history = fc.array(fc.record({ own: fc.boolean(), answerDelay: fc.integer({ min: 0, max: 4 }) }), {
      minLength: 1,
      maxLength: 12,
    });
    fc.assert(
      fc.property(history, fc.infiniteStream(fc.nat(99)), (changes, dice) => {
        const store = new Store();
        store.replace([object(1)], '1');
        let shownOnTold = 0;
        store.onChange({
          update: (_, after, origin) => {
            if (origin !== 'own') shownOnTold = Math.max(shownOnTold, Number(after.metadata.resourceVersion));
          },
        });
        // Events keep their order; each own answer slips in at some place around its event.
        let eventAt = 0;
        const steps = changes.flatMap(({ own, answerDelay }, i) => {
          const version = i + 2;
          eventAt = Math.max(eventAt, version + (dice.next().value ?? 0) / 25);
          const event = { at: eventAt, run: () => store.put(object(version)) };
          const answer = { at: version + answerDelay - 0.5, run: () => store.assume(object(version)) };
          return own ? [event, answer] : [event];
        });
        for (const step of steps.sort((a, b) => a.at - b.at)) step.run();
        const lastByOthers = changes.findLastIndex((change) => !change.own) + 2;
        expect(store.get('ns/a')?.metadata.resourceVersion).toBe(String(changes.length + 1));
        if (lastByOthers > 1) expect(shownOnTold).toBeGreaterThanOrEqual(lastByOthers);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('resource versions', () => {
  it.each([
    ['10', '9', true],
    ['9', '10', false],
    ['9', '9', false],
    ['18446744073709551616', '18446744073709551615', true],
    ['x', '1', false],
    [undefined, '1', false],
  ])('%s newer than %s: %s', (a, b, expected) => {
    expect(isNewer(a, b)).toBe(expected);
  });
});
