import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { eventually } from './harness.ts';
import { condition, freshKey, isReady, Stage, specWithKey } from './operator.ts';

let stage: Stage;
beforeEach(async () => {
  stage = await Stage.open(inject('kubeconfig'));
});
afterEach(() => stage.close());

const names = ['east', 'north', 'west'];
const running = (image: string) => async () =>
  (await Promise.all(names.map((name) => stage.get(kinds.Deployment, name)))).filter((d) =>
    JSON.stringify(d?.spec).includes(`"image":"${image}"`),
  );

test('a fleet rollout stops at a server that does not come up, shows it in metrics, and goes on once that one is paused', async () => {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  for (const name of names) await stage.create(name, specWithKey());
  for (const name of names) await stage.until(name, 'is ready', isReady, 60_000);
  stage.ready = false;
  await stage.restart({ image: 'licence-server:next' });
  const next = running('licence-server:next');
  const first = await eventually('one rolls', async () => (await next())[0], 60_000);
  const failed = first.metadata.name;
  await eventually('the others are held', async () => {
    const all = await Promise.all(names.map((name) => stage.licenceServer(name)));
    return all.filter((s) => condition(s, 'Reconciling')?.reason === 'RolloutHeld').length === 2;
  });
  // Its time is over, as the controller of Deployments says after ten minutes. That one is there too and may take it back.
  const fail = async () => {
    const deployment = await stage.get(kinds.Deployment, failed);
    const conditions = [
      { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'too late' },
    ];
    const observedGeneration = deployment?.metadata.generation;
    const counts = {
      replicas: 1,
      updatedReplicas: 1,
      unavailableReplicas: 1,
      availableReplicas: null,
      readyReplicas: null,
    };
    const status = { ...counts, observedGeneration, conditions };
    await stage.client.mergePatch(kinds.Deployment, stage.namespace, failed, { status }, 'status');
  };
  await eventually('it has failed', async () => {
    await fail();
    const told = condition(await stage.licenceServer(failed), 'Stalled');
    return told?.reason === 'PodFailing';
  });
  for (const name of names.filter((other) => other !== failed)) {
    await eventually(`${name} says whom it waits for`, async () => {
      await fail();
      const { status } = await stage.licenceServer(name);
      return status?.nextDisruption?.message?.includes(`${failed} did not come up`) === true;
    });
  }
  expect((await next()).length).toBe(1);
  await eventually('metrics tell', async () => {
    await fail();
    const text = await stage.operator?.scrape();
    return text?.includes('licence_operator_rollouts{state="failed"} 1') && text.includes('{state="held"} 2');
  });

  await stage.patch(failed, { metadata: { annotations: { 'licensing.softonit.ru/pause': 'true' } } });
  const now = await eventually('the next one rolls', async () => {
    const all = await next();
    return all.length === 2 && all;
  });
  expect(now.some((deployment) => deployment?.metadata.name === failed)).toBe(true);
  await stage.patch(failed, { metadata: { annotations: { 'licensing.softonit.ru/pause': null } } });
  stage.ready = true;
  for (const name of names) {
    await stage.until(
      name,
      'runs the new image',
      (s) => isReady(s) && s.status?.image === 'licence-server:next',
      60_000,
    );
  }
}, 240_000);
