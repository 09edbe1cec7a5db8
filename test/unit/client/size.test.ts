import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';
import { repository } from '../../support/sources.ts';

it('the client is 12 kB at most, minified with all that it brings', async () => {
  const entry = join(repository, 'client/licenceClient.ts');
  const { outputFiles } = await build({
    ...{ entryPoints: [entry], bundle: true, minify: true, write: false },
    ...{ format: 'esm', platform: 'node', target: 'node20' },
  });
  const bytes = outputFiles[0]?.contents.length ?? 0;
  expect(bytes).toBeGreaterThan(1_000);
  expect(bytes).toBeLessThanOrEqual(12_000);
});
