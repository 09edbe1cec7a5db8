import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import type { KubeClient } from '../../../operator/kube/client.ts';
import type { KubeObject } from '../../../operator/kube/object.ts';
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

const imageOf = async (name: string) => {
  const { spec } = (await stage.get(kinds.Deployment, name)) as unknown as {
    spec: { template: { spec: { containers: { image: string }[] } } };
  };
  return spec.template.spec.containers[0]?.image;
};
const isHeld = (server: Parameters<typeof isReady>[0]) => condition(server, 'Reconciling')?.reason === 'RolloutHeld';

async function startServers(...these: string[]) {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  for (const name of these) await stage.create(name, specWithKey());
  for (const name of these) await stage.until(name, 'is ready', isReady, 60_000);
}

test('whoever does not come up after a person’s edit stops nobody else’s upgrade, nor does one that was rolled long ago', async () => {
  await startServers('east', 'north', 'west');
  await stage.restart({ image: 'licence-server:next' });
  for (const name of names)
    await stage.until(name, 'is upgraded', (s) => isReady(s) && s.status?.image === 'licence-server:next', 60_000);
  // North stays as it is from now on, and loses its pod; east gets an image that there is not.
  await stage.patch('north', { spec: { image: 'licence-server:next' } });
  await stage.until('north', 'is ready', isReady);
  stage.ready = false;
  await stage.patch('east', { spec: { image: 'licence-sever:typo' } });
  await eventually('east rolls', async () => (await imageOf('east')) === 'licence-sever:typo');
  const labelSelector = 'app.kubernetes.io/instance=north';
  for (const pod of (await stage.client.list(kinds.Pod, { namespace: stage.namespace, labelSelector })).items) {
    await stage.client.delete(kinds.Pod, stage.namespace, pod.metadata.name);
  }
  for (const name of ['east', 'north']) {
    await stage.until(name, 'is not up', (s) => condition(s, 'Available')?.status === 'False', 60_000);
  }
  await stage.restart({ image: 'licence-server:third' });
  await eventually('west rolls', async () => (await imageOf('west')) === 'licence-server:third', 60_000);
}, 240_000);

test('an edit of something else is no consent to a held upgrade, and who has the turn is named', async () => {
  await startServers(...names);
  stage.ready = false;
  await stage.restart({ image: 'licence-server:next' });
  const first = await eventually('one rolls', async () => {
    for (const name of names) if ((await imageOf(name)) === 'licence-server:next') return name;
    return undefined;
  });
  const [other = '', another = ''] = names.filter((name) => name !== first);
  const held = await stage.until(other, 'is held', isHeld);
  await stage.patch(other, { spec: { service: { annotations: { team: 'a' } } } });
  await eventually('the edit is applied', async () => {
    return (await stage.get(kinds.Service, other))?.metadata.annotations?.team === 'a';
  });
  await stage.until(other, 'is held again', (s) => isHeld(s) && s.status?.observedGeneration === s.metadata.generation);
  expect(await imageOf(other)).toBe('licence-server:test');
  // A roll that a person asks for is that roll, and no other.
  await stage.patch(another, { spec: { resources: { requests: { cpu: '100m' } } } });
  await eventually('it rolls', async () => {
    return JSON.stringify((await stage.get(kinds.Deployment, another))?.spec).includes('"cpu":"100m"');
  });
  expect(await imageOf(another)).toBe('licence-server:test');
  expect(held.status?.nextDisruption?.message).toContain(`now ${stage.namespace}/${first}`);
  // Suspending the one that rolls gives its turn back.
  await stage.patch(first, { spec: { suspend: true } });
  await eventually('the next one rolls', async () => {
    return [await imageOf(other), await imageOf(another)].includes('licence-server:next');
  });
}, 180_000);

test('another number of replicas restarts nothing', async () => {
  await stage.start();
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.putKeys('db', { uri: 'postgres://u:p@db.example/erp' });
  const storage = { accessModes: ['ReadWriteMany' as const] };
  await stage.create('east', specWithKey({ database: { secretRef: { name: 'db', key: 'uri' } }, storage }));
  await stage.until('east', 'is ready', isReady, 60_000);
  const spec = async () => (await stage.get(kinds.Deployment, 'east'))?.spec as { replicas: number; template: unknown };
  const { template } = await spec();
  for (const replicas of [2, 1]) {
    await stage.patch('east', { spec: { replicas } });
    const now = await eventually(`there are ${replicas}`, async () => {
      const found = await spec();
      return found.replicas === replicas && found;
    });
    expect(now.template).toEqual(template);
  }
  expect((await stage.licenceServer('east')).status?.lastRoll).toBeUndefined();
}, 120_000);

/** Images come from a mirror, as a policy of the cluster has it: whatever is written of a Deployment is rewritten. */
function mirrored(client: KubeClient): KubeClient {
  const rewritten = (object: KubeObject) =>
    JSON.parse(JSON.stringify(object).replaceAll('"image":"licence-', '"image":"registry.corp.example/licence-'));
  return new Proxy(client, {
    get: (target, name) => {
      if (name === 'applyWithStatus') {
        const apply: KubeClient['applyWithStatus'] = (kind, object, options) =>
          target.applyWithStatus(kind, kind === kinds.Deployment ? rewritten(object) : object, options);
        return apply;
      }
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

test('an image that a policy rewrites is no reason to roll, now or at the next start', async () => {
  await stage.start({ wrap: mirrored });
  await stage.putKeys('keys', { erp: freshKey() });
  await stage.create('east', specWithKey());
  await stage.until('east', 'is ready', isReady, 60_000);
  expect(await imageOf('east')).toBe('registry.corp.example/licence-server:test');
  await stage.restart({ wrap: mirrored });
  const { polls } = stage.server('east');
  await eventually('it was looked at', () => stage.server('east').polls > polls + 3);
  const after = await stage.until('east', 'is ready', isReady);
  expect(after.status?.lastRoll).toBeUndefined();
  expect(await stage.operator?.scrape()).toContain('licence_operator_rolls_total{reason="ImageChanged"} 0');
  // One that is really another still is.
  await stage.restart({ wrap: mirrored, image: 'licence-server:next' });
  await stage.until('east', 'rolls', (s) => isReady(s) && s.status?.lastRoll?.reasons[0] === 'ImageChanged');
  expect(stage.server('east').starts).toBe(2);
}, 120_000);
