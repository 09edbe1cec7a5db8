import { expect, it } from 'vitest';
import { build } from '../../../bench/operator/contestant.ts';
import { runHeld } from '../../../bench/operator/held.ts';
import { runScenario } from '../../../bench/operator/scenario.ts';

it('the operator brings up a small fleet, applies edits meanwhile, and writes nothing when nothing changed, restart included', async () => {
  const measures = await runScenario({
    ...{ contestant: 'source', program: await build('source', '', () => {}), size: 10, workers: 4, steadySeconds: 3 },
    onStep: () => {},
  });
  expect(measures).toMatchObject({ failures: 0, steadyWrites: 0, restartWrites: 0 });
  expect(measures.appliedMs).toBeGreaterThan(0);
  expect(measures.writesPerServer).toBeLessThan(25);
}, 300_000);

it('a held fleet costs no pass and no write', async () => {
  const { held } = await runHeld({
    ...{ contestant: 'source', program: await build('source', '', () => {}), size: 8, workers: 4, steadySeconds: 4 },
    onStep: () => {},
  });
  expect(held).toMatchObject({ passes: 0, writes: 0, reads: 0 });
}, 300_000);
