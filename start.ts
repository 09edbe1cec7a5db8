import { mkdirSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cacheDir } from './cluster/cache.ts';
import { type Cluster, startCluster } from './cluster/cluster.ts';
import { ensureImagePrerequisites, ensureImages } from './cluster/images.ts';
import { ensureNodePrerequisites } from './cluster/node.ts';
import { PrerequisiteMissing } from './cluster/prerequisite.ts';
import { endCommands } from './cluster/process.ts';
import { processorMs, tellTimes, timed, timingLine } from './cluster/timing.ts';
import { ensureTools } from './cluster/tools.ts';
import { type Kubectl, kubectlFor } from './demo/kubectl.ts';
import { startMonitoring } from './demo/monitoring.ts';
import { installProduct, type Reach, sampleObjects, waitForCondition } from './demo/product.ts';
import { reachByPortForward, reachEmbedded } from './demo/reach.ts';
import { createLog } from './runtime/log.ts';
import { Lifetime } from './runtime/shutdown.ts';

const help = `npm start: the whole product on a Kubernetes cluster, with a sample licence server

  npm start                       on an embedded cluster that ends with this program (Linux, root)
  npm start -- --context NAME     on a cluster of yours, through that context of your kubeconfig
  npm start -- --keep             the embedded cluster's objects and volumes stay for the next start
  npm start -- --timing           what each step costs: time on the clock, processor time, from the cache or made

With --context the cluster must be able to pull the images:
  --operator-image IMAGE  --server-image IMAGE  --authority-image IMAGE

Ctrl-C ends it: the embedded cluster goes; on a cluster of yours everything stays installed, and how to
remove it is printed.
`;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', short: 'h' },
    context: { type: 'string' },
    keep: { type: 'boolean' },
    timing: { type: 'boolean' },
    'operator-image': { type: 'string', default: 'localhost/licence-operator:dev' },
    'server-image': { type: 'string', default: 'localhost/licence-server:dev' },
    'authority-image': { type: 'string', default: 'localhost/licence-authority:dev' },
  },
});

const namespace = 'accounting';
const name = 'head-office';
const began = Date.now();
const say = (line: string) =>
  process.stderr.write(`» ${((Date.now() - began) / 1_000).toFixed(0).padStart(3)} s  ${line}\n`);

const timing = (step: string, wallMs: number, spentMs: number | undefined) =>
  process.stderr.write(`» timing  ${timingLine({ name: step, wallMs, processorMs: spentMs })}\n`);

/** The cluster that everything runs on, and the ways into it. */
interface Ground {
  readonly kubectl: Kubectl;
  readonly kubectlPath: string;
  readonly reach: Reach;
  readonly kubeconfig: string;
  readonly embedded?: Cluster;
}

async function ownGround(context: string, lifetime: Lifetime): Promise<Ground> {
  const tools = await ensureTools(['kubectl', 'helm'], 'to install the product');
  const kubeconfig = process.env.KUBECONFIG ?? join(homedir(), '.kube', 'config');
  const target = { kubeconfig, context };
  const kubectl = kubectlFor(tools, target);
  say(`using context ${context}`);
  await kubectl(['version', '-o', 'json']);
  return {
    kubectl,
    kubectlPath: tools.kubectl,
    kubeconfig,
    reach: reachByPortForward(tools.kubectl, target, lifetime.signal),
  };
}

async function embeddedGround(lifetime: Lifetime): Promise<Ground> {
  say('starting an embedded cluster (the first time its parts are built, which takes some minutes)');
  const tools = await ensureTools(['kubectl', 'helm'], 'to install the product');
  const dir = join(cacheDir(), 'start');
  // One step after the other when each is measured: images are otherwise made while the cluster starts.
  if (values.timing) await timed('what the machine must have', ensureMachine);
  const images = values.timing ? await timed('images', () => ensureImages()) : ensureImages();
  const start = () => startCluster(values.keep ? { dir, images } : { images });
  const cluster = await timed('cluster', start);
  lifetime.onStop('cluster', () => cluster.stop({ keep: values.keep ?? false }));
  const kubectl = kubectlFor(tools, { kubeconfig: cluster.kubeconfig });
  return {
    kubectl,
    kubectlPath: tools.kubectl,
    kubeconfig: cluster.kubeconfig,
    reach: reachEmbedded(cluster, kubectl),
    embedded: cluster,
  };
}

async function ensureMachine(): Promise<void> {
  await ensureNodePrerequisites();
  await ensureImagePrerequisites();
}

async function main(lifetime: Lifetime): Promise<void> {
  const ground =
    values.context === undefined ? await embeddedGround(lifetime) : await ownGround(values.context, lifetime);
  const { kubectl, reach } = ground;
  const images = {
    operator: values['operator-image'],
    server: values['server-image'],
    authority: values['authority-image'],
  };
  const install = () => installProduct({ kubectl, reach, images, namespaces: [namespace], say });
  const vendor = await timed('operator and authority', install);

  const existing = await kubectl.get(namespace, 'licenceserver', name);
  if (existing === undefined) {
    say('issuing a licence for 5 seats and applying a LicenceServer');
    const { key } = await vendor.issue({
      organisation: 'Sample Ltd',
      product: 'erp',
      seatLimit: 5,
      supportUntil: new Date(began + 365 * 86_400_000).toISOString().replace(/\.\d+Z$/, 'Z'),
    });
    await kubectl.apply(await sampleObjects({ namespace, name, vendor, key }));
  }
  say('waiting for the licence server to be ready');
  await timed('licence server', () => waitForCondition(kubectl, { namespace, name }, 'Ready', 180));
  const url = await reach(namespace, name, 8080);
  const tokens = await kubectl.secret(namespace, `${name}-tokens`);
  const tokenOf = (role: string) => (tokens[role] ?? '').split('\n')[0] ?? '';

  let watched = '';
  if (ground.embedded !== undefined) {
    say('starting Prometheus and Alertmanager');
    const { embedded } = ground;
    const start = () =>
      startMonitoring(embedded, kubectl, {
        scraped: [
          { job: name, namespace, service: name, port: 8080, token: tokenOf('metrics') },
          { job: 'licence-operator', namespace: 'licence-system', service: 'licence-operator', port: 8080 },
        ],
        rules: [fileURLToPath(new URL('charts/licence-operator/files/alerts.yaml', import.meta.url))],
      });
    const monitoring = await timed('monitoring', start);
    watched = `  Prometheus     ${monitoring.prometheusUrl}\n  Alertmanager   ${monitoring.alertmanagerUrl}\n`;
  }

  // The next key is at hand, so that a rotation is one command.
  const next = await vendor.issue({ organisation: 'Sample Ltd', product: 'erp', seatLimit: 8 });
  const handedDir = ground.embedded?.dir ?? join(cacheDir(), 'start-context');
  mkdirSync(handedDir, { recursive: true, mode: 0o700 });
  const nextKeyFile = join(handedDir, 'next-key');
  writeFileSync(nextKeyFile, next.key, { mode: 0o600 });
  say('ready');
  if (values.timing) timing('all until ready', performance.now(), processorMs());

  const body = `{"product":"erp","holder":{"base":"trade","user":"anna","host":"pc-1"},"mode":"leased"}`;
  process.stdout.write(`
The licence server runs.

  kubeconfig     ${ground.kubeconfig}
  server         ${url}/#token=${tokenOf('admin')}
  client token   ${tokenOf('client')}
${watched}
Try (kubectl is at ${ground.kubectlPath}):

  export KUBECONFIG=${ground.kubeconfig} PATH=${dirname(ground.kubectlPath)}:$PATH

  kubectl -n ${namespace} get lics

  curl -sS -H 'Authorization: Bearer ${tokenOf('client')}' -H 'Content-Type: application/json' \\
    -d '${body}' ${url}/v1/checkouts

  kubectl -n ${namespace} create secret generic ${name}-keys --from-file=erp=${nextKeyFile} \\
    --dry-run=client -o yaml | kubectl apply -f - && kubectl -n ${namespace} get lics -w

Ctrl-C ends it${values.context === undefined ? ' and removes the cluster.' : '; the installed parts stay.'}
`);
  if (values.context !== undefined) {
    lifetime.onStop('advice', () =>
      process.stdout.write(
        `\nTo remove it: helm -n licence-system uninstall licence-operator; helm -n vendor uninstall licence-authority; kubectl delete namespace ${namespace} vendor licence-system\n`,
      ),
    );
  }
}

if (values.help) process.stdout.write(help);
else {
  const lifetime = new Lifetime(createLog('start', 'warn'), 30_000);
  const ended = lifetime.run();
  lifetime.signal.addEventListener('abort', endCommands); // a build that is under way need not be waited for
  if (values.timing) tellTimes((step) => process.stderr.write(`» timing  ${timingLine(step)}\n`));
  try {
    await main(lifetime);
  } catch (error) {
    if (lifetime.signal.aborted) {
      process.stderr.write(
        'npm start: ended before all was ready; what was built is kept, the next start makes the rest\n',
      );
    } else {
      const missing = error instanceof PrerequisiteMissing;
      process.stderr.write(`npm start: ${error instanceof Error ? error.message : String(error)}\n`);
      if (missing) process.stderr.write('npm start: a cluster of yours will do as well: npm start -- --context NAME\n');
      process.exitCode = 1;
    }
    lifetime.end('failed');
  }
  const status = await ended;
  process.exit(process.exitCode ?? status);
}
