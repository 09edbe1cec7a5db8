import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  circles,
  importViolations,
  layers,
  purityViolations,
  rooms,
  roomViolations,
  wordViolations,
} from './support/layers.ts';
import { readSources, repository } from './support/sources.ts';

const folders = layers.map((l) => l.folder).filter((f) => f.split('/').length === 2 && existsSync(join(repository, f)));
const sources = readSources(folders);

describe('the architecture', () => {
  it('has sources to look at', () => {
    expect(sources.length).toBeGreaterThan(20);
  });
  it('lets each layer import only what its row allows', () => {
    expect(importViolations(sources)).toEqual([]);
  });
  it('keeps pure files pure', () => {
    expect(purityViolations(sources)).toEqual([]);
  });
  it('keeps the controller mechanics free of the domain', () => {
    expect(wordViolations(sources)).toEqual([]);
  });
});

describe('the files', () => {
  it('are in no circle', () => {
    const all = readSources([
      'authority',
      'bench',
      'charts',
      'cli',
      'client',
      'cluster',
      'demo',
      'licence',
      'operator',
      'runtime',
      'server',
      'web',
    ]);
    expect(all.length).toBeGreaterThan(300);
    expect(circles(all)).toEqual([]);
  });
  it('of a LicenceServer stand in the room of their step, and look only back', () => {
    const operator = readSources(['operator']);
    const standing = new Set(operator.map(({ path }) => /^operator\/licenceServer\/(\w+)\//.exec(path)?.[1]));
    expect([...standing].filter((room) => room !== undefined).sort()).toEqual([...rooms].sort());
    expect(roomViolations(operator)).toEqual([]);
  });
  it('are found out', () => {
    const file = (path: string, to: string) => ({ path, text: `import type { X } from '${to}';` });
    const three = [
      file('a/a.ts', './b.ts'),
      file('a/b.ts', '../c.ts'),
      file('c.ts', './a/a.ts'),
      file('d.ts', './c.ts'),
    ];
    expect(circles(three)).toEqual([['a/a.ts', 'a/b.ts', 'c.ts']]);
    expect(circles(three.slice(1))).toEqual([]);
    const room = 'operator/licenceServer';
    const between = (from: string, to: string) =>
      roomViolations([file(`${room}/${from}/a.ts`, `../${to}/b.ts`), { path: `${room}/${to}/b.ts`, text: '' }]);
    for (const [at, late] of rooms.entries())
      for (const early of rooms.slice(0, at)) {
        expect(between(early, late)).toEqual([`${room}/${early}/a.ts comes before ${room}/${late}/b.ts`]);
        expect(between(late, early)).toEqual([]);
      }
  });
});

describe('a planted violation is found', () => {
  const imports = (path: string, text: string) => importViolations([{ path, text }]);

  it.each([
    ['licence/key.ts', "import { z } from 'zod';"],
    ['licence/key.ts', "import { createLog } from '../runtime/log.ts';"],
    ['runtime/log.ts', "import type { Holder } from '../licence/words.ts';"],
    ['operator/kube/apply.ts', "import { words } from '../../licence/words.ts';"],
    ['operator/licenceServer/decide/plan.ts', "export { x } from '../../../server/app.ts';"],
    ['server/app.ts', "const x = await import('../operator/kube/client.ts');"],
    ['authority/app.ts', "import '../server/app.ts';"],
  ])('%s: %s', (path, text) => {
    expect(imports(path, text)).toHaveLength(1);
  });

  it.each([
    [
      'operator/licenceServer/decide/plan.ts',
      "import { KubeClient } from '../../kube/client.ts';\nimport { x } from './types.ts';",
    ],
    ['licence/fingerprint.ts', "import { createHash } from 'node:crypto';"],
    ['licence/key.ts', "// import { z } from 'zod';"],
  ])('and what is allowed is not: %s', (path, text) => {
    expect(imports(path, text)).toEqual([]);
  });

  it.each(['await x', 'Date.now()', 'new Date()', 'process.env', 'fetch(url)', 'setTimeout(f, 1)', 'Math.random()'])(
    'an impure word in a pure file: %s',
    (text) => {
      expect(purityViolations([{ path: 'operator/licenceServer/build/service.ts', text }])).toHaveLength(1);
      expect(purityViolations([{ path: 'operator/licenceServer/observe/observe.ts', text }])).toEqual([]);
    },
  );

  it('the domain word in the mechanics', () => {
    expect(wordViolations([{ path: 'operator/kube/store.ts', text: '// a Licence store' }])).toHaveLength(1);
  });
});
