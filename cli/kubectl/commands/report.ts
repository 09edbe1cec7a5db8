import { constants, createWriteStream } from 'node:fs';
import { access, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { stringify } from 'yaml';
import type { KubeObject } from '../../../operator/kube/object.ts';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import { labels } from '../../../operator/licenceServer/api/metadata.ts';
import type { LicenceServer } from '../../../operator/licenceServer/api/types.ts';
import packageJson from '../../../package.json' with { type: 'json' };
import { type Cluster, secretData } from '../cluster.ts';
import type { Context } from '../context.ts';
import { diagnose } from '../diagnose.ts';
import { CommandFault } from '../exitStatus.ts';
import { faultOf } from '../faultOf.ts';
import { look } from '../picture.ts';
import { redact } from '../redact.ts';
import { openServer } from '../serverLink.ts';

/** `report NAME`: what somebody who helps needs to see, in one file without secrets. */
export async function report(
  context: Context,
  [name]: readonly string[],
  options: { toFile?: string; logLines: string },
): Promise<undefined> {
  const server = await context.server(name);
  const { cluster } = context;
  const { namespace } = server.metadata;
  const stamp = new Date().toISOString().slice(0, 19).replaceAll(':', '');
  const file = options.toFile ?? `licence-report-${server.metadata.name}-${stamp}.tar.gz`;
  await access(dirname(resolve(file)), constants.W_OK).catch(() => {
    throw new CommandFault(`${file} cannot be written`, 'name another file with --to-file');
  });
  const secrets = await secretsOf(cluster, server, context.say);
  const files = new Map<string, string>();
  const add = async (path: string, what: () => Promise<string>): Promise<void> => {
    context.say(`  ${path}`);
    files.set(path, await what().catch((error: unknown) => `not to be had: ${faultOf(error).message}\n`));
  };
  context.say(`gathering what is known of ${namespace}/${server.metadata.name}`);
  await add('about.yaml', async () =>
    stringify({ at: new Date().toISOString(), 'kubectl-licence': packageJson.version }),
  );
  await add('status.yaml', async () => {
    const picture = await look(cluster, server);
    return stringify({ ...diagnose(picture), pods: picture.pods, claim: picture.claim, warnings: picture.warnings });
  });
  await add('licenceserver.yaml', async () => stringify(plain(server)));
  const mine = `${labels.instance}=${server.metadata.name},${labels.name}=licence-server`;
  for (const kind of [
    'Deployment',
    'ReplicaSet',
    'Pod',
    'PersistentVolumeClaim',
    'Service',
    'NetworkPolicy',
    'Ingress',
  ] as const) {
    await add(`${kinds[kind].plural}.yaml`, async () => {
      const { items } = await cluster.client.list(kinds[kind], {
        namespace,
        labelSelector: mine,
        signal: cluster.signal,
      });
      return stringify(items.map(plain));
    });
  }
  await add('server.yaml', async () => {
    const link = await openServer(cluster, server);
    try {
      const [status, products, keys] = [
        await link.call('GET', '/v1/status'),
        await link.call('GET', '/v1/products'),
        await link.call('GET', '/v1/keys'),
      ];
      return stringify({ status, products, keys });
    } finally {
      link.close();
    }
  });
  const { items: pods } = await cluster.client
    .list(kinds.Pod, { namespace, labelSelector: mine, signal: cluster.signal })
    .catch(() => ({ items: [] as readonly KubeObject[] }));
  for (const pod of pods) {
    for (const previous of [false, true]) {
      await add(`logs/${pod.metadata.name}${previous ? '.previous' : ''}.log`, () =>
        logOf(cluster, pod, previous, Number(options.logLines)),
      );
    }
  }
  await write(file, files, secrets);
  context.out(`${file}\n`);
  context.say('no key, token or activation is in it. Look it through before you give it away.');
  return undefined;
}

/** Every secret text that belongs to the server, so that it can be looked for. What may not be read cannot have been read from here either. */
async function secretsOf(
  cluster: Cluster,
  server: LicenceServer,
  say: (line: string) => void,
): Promise<readonly string[]> {
  const { name, namespace } = server.metadata;
  const spec = server.spec as {
    keys?: readonly { secretRef: { name: string } }[];
    database?: { secretRef: { name: string } };
    activation?: { authority?: { tokenSecretRef?: { name: string } } };
  };
  const names = [
    `${name}-tokens`,
    `${name}-identity`,
    ...(spec.keys ?? []).map((key) => key.secretRef.name),
    spec.database?.secretRef.name,
    spec.activation?.authority?.tokenSecretRef?.name,
  ].filter((one) => one !== undefined);
  const found: string[] = [];
  for (const secret of new Set(names)) {
    try {
      found.push(...Object.values((await secretData(cluster, namespace, secret)) ?? {}));
    } catch (error) {
      say(`Secret ${secret} may not be read: ${faultOf(error).message}`);
    }
  }
  return found;
}

function plain(object: KubeObject): KubeObject {
  const { managedFields: _, ...metadata } = object.metadata;
  const { 'kubectl.kubernetes.io/last-applied-configuration': __, ...annotations } = metadata.annotations ?? {};
  return { ...object, metadata: { ...metadata, name: object.metadata.name, annotations } };
}

async function logOf(
  { client, signal }: Cluster,
  { metadata }: KubeObject,
  previous: boolean,
  tailLines: number,
): Promise<string> {
  const path = `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}/log`;
  const lines = await client.lines({
    method: 'GET',
    path,
    query: { container: 'server', previous, tailLines },
    signal,
  });
  const read: string[] = [];
  for await (const line of lines) read.push(line);
  return `${read.join('\n')}\n`;
}

async function write(file: string, files: ReadonlyMap<string, string>, secrets: readonly string[]): Promise<void> {
  const archive = pack();
  const written = pipeline(archive, createGzip(), createWriteStream(file, { mode: 0o600 }));
  try {
    for (const [name, text] of files) archive.entry({ name: `licence-report/${name}` }, redact(text, secrets));
    archive.finalize();
    await written;
  } catch (error) {
    await rm(file, { force: true });
    throw error;
  }
}
