import { readFileSync } from 'node:fs';
import { Command, InvalidArgumentError } from 'commander';
import type { KubeApi } from '../../cluster/kubeApi.ts';
import { isWrite, tally } from './auditTail.ts';
import { build, firstPassAt } from './contestant.ts';
import { createServers, fleetOf, unsettled } from './fixture.ts';
import { inWorld, leading, quiet, type World } from './world.ts';

// `node bench/operator/relabel.ts`: what common labels for a whole fleet cost beside other upgrades of the operator. README.md tells how.

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('must be a whole number from 1');
  return value;
};
const { size, workers, source } = new Command('relabel')
  .option('--size <n>', 'how many LicenceServers', whole, 1000)
  .option('--workers <n>', 'reconciles at a time', whole, 8)
  .option('--source', 'the sources as they stand instead of the bundle')
  .parse()
  .opts<{ size: number; workers: number; source?: true }>();

const say = (text: string) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
const contestant = source ? 'source' : 'ours';
say('building');
const program = await build(contestant, '', say);
const fleet = fleetOf('server', size);

interface Upgrade {
  readonly what: string;
  readonly env: Readonly<Record<string, string>>;
  /** Writes a server that are expected. */
  readonly writes: number;
}
interface Took {
  readonly what: string;
  readonly ms: number;
  readonly writes: number;
}

await inWorld({ contestant, program, size, workers, onStep: say }, fleet, async (world) => {
  say(`creating ${size}`);
  const first = await world.start('first');
  await leading(first, world);
  await createServers(world.api, fleet, world.servers.port);
  const limitMs = 240_000 + size * 600;
  await world.guarded('fleet settled', limitMs, async () => (await unsettled(world.api, 'Ready')).length === 0);
  await quiet(world);
  await first.daemon.stop('SIGTERM', 30_000);
  const before = await templates(world.api);

  const monitoring = { OPERATOR_MONITORING_NAMESPACE: 'monitoring' };
  const upgrades: readonly Upgrade[] = [
    { what: 'nothing of the servers', env: {}, writes: 0 },
    { what: 'one child of each', env: monitoring, writes: 1 },
    { what: 'labels of every child', env: { ...monitoring, OPERATOR_COMMON_LABELS: '{"team":"office"}' }, writes: 5 },
  ];
  const took: Took[] = [];
  for (const upgrade of upgrades) took.push(await roll(world, upgrade, limitMs));

  const bare = await unlabelled(world.api);
  const after = await templates(world.api);
  const changed = [...before].filter(([name, template]) => after.get(name) !== template).length;
  console.log(`\n${size} servers, ${readFileSync('/proc/loadavg', 'utf8').trim()}\n`);
  console.log('| An upgrade that changes | s | writes a server | × the first |\n|---|---:|---:|---:|');
  for (const { what, ms, writes } of took) {
    const times = ms / (took[0]?.ms ?? Number.NaN);
    console.log(`| ${what} | ${(ms / 1000).toFixed(1)} | ${(writes / size).toFixed(1)} | ${times.toFixed(2)} |`);
  }
  console.log(`\nchildren without the label: ${bare.length}; pod templates changed: ${changed} of ${after.size}`);
  if (bare.length > 0 || changed > 0) process.exitCode = 1;
});

async function roll(world: World, { what, env, writes: expected }: Upgrade, limitMs: number): Promise<Took> {
  say(what);
  world.watcher.take();
  const running = await world.start(what.replaceAll(' ', '-'), { env });
  await world.guarded(`${what}: all looked at`, limitMs, () => firstPassAt(running) !== undefined);
  await quiet(world);
  const writes = world.watcher
    .take()
    .filter(isWrite)
    .filter(({ resource }) => resource !== 'events');
  const lookedAt = firstPassAt(running) ?? Number.NaN;
  const doneAt = Math.max(lookedAt, ...writes.map(({ toAt }) => toAt));
  say([...tally(writes)].map(([name, n]) => `${name} ${n}`).join(', '));
  await running.daemon.stop('SIGTERM', 30_000);
  if (writes.length < expected * size) throw new Error(`${what}: only ${writes.length} writes`);
  return { what, ms: doneAt - running.startedAt, writes: writes.length };
}

interface Item {
  readonly metadata: { readonly name: string; readonly namespace: string; readonly labels?: Record<string, string> };
  readonly spec?: { readonly template?: unknown };
}
async function itemsOf(api: KubeApi, path: string): Promise<readonly Item[]> {
  const found: Item[] = [];
  for (let next = ''; ; ) {
    const selector = 'labelSelector=app.kubernetes.io%2Fmanaged-by%3Dlicence-operator&limit=500';
    const { body } = await api.request('GET', `${path}?${selector}${next && `&continue=${encodeURIComponent(next)}`}`);
    const list = body as { items: Item[]; metadata: { continue?: string } };
    found.push(...list.items);
    next = list.metadata.continue ?? '';
    if (next === '') return found;
  }
}

async function templates(api: KubeApi): Promise<ReadonlyMap<string, string>> {
  const items = await itemsOf(api, '/apis/apps/v1/deployments');
  return new Map(
    items.map(({ metadata, spec }) => [`${metadata.namespace}/${metadata.name}`, JSON.stringify(spec?.template)]),
  );
}

async function unlabelled(api: KubeApi): Promise<readonly string[]> {
  const bare: string[] = [];
  const core = ['services', 'serviceaccounts', 'secrets', 'configmaps', 'persistentvolumeclaims'];
  const paths = core.map((plural) => `/api/v1/${plural}`);
  for (const path of [...paths, '/apis/apps/v1/deployments', '/apis/networking.k8s.io/v1/networkpolicies']) {
    const items = await itemsOf(api, path);
    if (items.length === 0) throw new Error(`nothing in ${path}`);
    bare.push(
      ...items.filter(({ metadata }) => metadata.labels?.team !== 'office').map(({ metadata }) => metadata.name),
    );
  }
  return bare;
}
