import { expect, it } from 'vitest';
import { build } from '../../../bench/operator/contestant.ts';
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
