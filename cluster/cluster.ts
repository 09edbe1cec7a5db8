import { chmodSync, existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyOf } from './cache.ts';
import {
  type Addresses,
  type ControlPlane,
  controlPlaneTools,
  createPki,
  startControlPlaneIn,
} from './controlPlane.ts';
import { ensureImages, type ImageArchive } from './images.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import {
  applySystemObjects,
  ctr,
  ensureNodePrerequisites,
  importImages,
  type NodePlace,
  nodeAddress,
  nodeName,
  nodeTools,
  prepareNamespaces,
  removeCgroups,
  startContainerd,
  startNode,
} from './node.ts';
import { type CertificateAuthority, openAuthority } from './pki.ts';
import { progress } from './prerequisite.ts';
import {
  childOf,
  type Daemon,
  freePort,
  insideOf,
  isAlive,
  type RunOptions,
  run,
  startDaemon,
  until,
} from './process.ts';
import { createScratch, leftovers, ownerLives, ownerMark } from './scratch.ts';
import { ensureTools } from './tools.ts';
import { startProvisioner } from './volumes.ts';

/** What another process needs to work with a running cluster; plain data, so that a test runner can hand it on. */
export interface ClusterInfo {
  /** Path of the administrator's kubeconfig, usable from this machine. */
  readonly kubeconfig: string;
  readonly dir: string;
  readonly runDir: string;
  /** Process 1 of the cluster's namespaces: `nsenter -t PID -m -n -p COMMAND`. */
  readonly nsenterPid: number;
  readonly nodeAddress: string;
  readonly auditLog: string;
}

/** Ways into a running cluster. */
export interface ClusterAccess extends ClusterInfo {
  /** Runs a command inside the network, mount and process namespaces and answers its output. */
  run(command: string, args: readonly string[], options?: RunOptions): Promise<string>;
  /** containerd's command line, for example `ctr(['tasks', 'kill', '--signal', 'SIGKILL', id])`. */
  ctr(args: readonly string[]): Promise<string>;
  /** A loopback port of this machine that leads to an address inside: `10.200.0.1:30080`, a pod's, a ClusterIP's. */
  forward(target: string): Promise<Forward>;
  /** Lets pods reach a loopback port of this machine as `10.200.0.1:port`. */
  forwardInto(port: number): Promise<Forward>;
  /** Imports images into the node; unchanged ones take no time. */
  loadImages(images: readonly ImageArchive[]): Promise<void>;
}

export interface Forward {
  readonly port: number;
  readonly url: string;
  close(): Promise<void>;
}

export interface Cluster extends ClusterAccess {
  readonly controlPlane: ControlPlane;
  /**
   * Ends it at once, like pulling the plug. With `keep` its directory stays, and a later start there finds the same objects, volumes
   * and pods.
   */
  stop(options?: { readonly keep?: boolean }): Promise<void>;
}

export interface ClusterOptions {
  /** Where its state is; an existing one is taken up again. Default: a temporary directory, removed by `stop`. */
  readonly dir?: string;
  /** Images for the node; may still be in the making while the rest starts. Default: all of this repository's. */
  readonly images?: Promise<readonly ImageArchive[]> | readonly ImageArchive[];
}

/**
 * Starts Kubernetes with one node in network, mount and process namespaces of its own: nothing of it is reachable from
 * outside this machine, and no route or address translation leads out. It ends with this process, however that ends.
 * @throws PrerequisiteMissing when this machine cannot run it
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  await ensureNodePrerequisites();
  await ensureTools(['pause', ...controlPlaneTools, ...nodeTools], 'to run pods on a node');
  const dir = options.dir === undefined ? createScratch('cluster') : claimDir(options.dir);
  const images = Promise.resolve(options.images ?? ensureImages());
  images.catch(() => {}); // awaited below; until then a failure is not unhandled
  progress('cluster: starting');
  const began = Date.now();
  const namespaces = await openNamespaces(dir);
  const abort = new AbortController();
  let plane: ControlPlane | undefined;
  const stop: Cluster['stop'] = async ({ keep = false } = {}) => {
    abort.abort();
    plane?.api.close();
    await namespaces.close();
    rmSync(join(dir, 'owner'), { force: true });
    if (!keep) rmSync(dir, { recursive: true, force: true });
  };
  try {
    const { place } = namespaces;
    const apiPort = await keptPort(join(dir, 'api-port'));
    const inside = { apiPort: 6443, etcdPort: 2379, etcdPeerPort: 2380, nodeAddress };
    const addresses = { ...inside, outsideUrl: `https://127.0.0.1:${apiPort}` };
    const authority = await openPki(dir, addresses);
    await namespaces.forward(`127.0.0.1:${inside.apiPort}`, apiPort);
    [plane] = await Promise.all([
      startControlPlaneIn(dir, addresses, place.start, { scheduler: true }, authority),
      startContainerd(place),
    ]);
    await applySystemObjects(plane.api);
    await startProvisioner(plane.api, join(dir, 'volumes'), nodeName, abort.signal);
    await startNode(place, plane.api, authority);
    progress(`cluster: node ready after ${((Date.now() - began) / 1000).toFixed(1)} s`);
    await importImages(place, await images);
    const { kubeconfig, auditLog } = plane;
    const info = { kubeconfig, auditLog, dir, runDir: place.runDir, nsenterPid: place.pid, nodeAddress };
    return { ...accessCluster(info), controlPlane: plane, stop };
  } catch (error) {
    await stop({ keep: options.dir !== undefined }).catch(() => {});
    throw error;
  }
}

interface Namespaces {
  readonly place: NodePlace;
  forward(target: string, port: number): Promise<void>;
  /** Ends everything in them and removes what the kernel keeps of it. */
  close(): Promise<void>;
}

/** New namespaces, held open by their process 1, which also reaps orphans; all that lives in them ends with it. */
async function openNamespaces(dir: string): Promise<Namespaces> {
  for (const left of leftovers('run')) clearCgroups(left);
  const runDir = createScratch('run');
  const cgroup = `softonit-licence-${keyOf(runDir)}`;
  writeFileSync(join(runDir, 'cgroup'), cgroup);
  mkdirSync(join(dir, 'log'), { recursive: true });
  const logFile = (name: string) => join(dir, 'log', `${name}.log`);
  const { pause } = await ensureTools(['pause'], 'to hold the namespaces of a cluster');
  const holder = await startDaemon(
    'cluster',
    'unshare',
    ['--net', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', pause],
    { logFile: logFile('holder') },
  );
  const daemons: Daemon[] = [holder];
  let pid = 0;
  const close = async () => {
    await holder.stop('SIGKILL');
    // Process 1 of a process namespace ends after all others in it.
    await until('the end of the cluster', 15_000, () => pid === 0 || !isAlive(pid));
    await Promise.all(daemons.map((daemon) => daemon.stop('SIGKILL')));
    await until('the end of its cgroups', 5_000, () => removeCgroups(cgroup)).catch(() => {}); // the next start tries again
    rmSync(runDir, { recursive: true, force: true });
  };
  const isOpen = async () => {
    pid = childOf(holder.pid);
    return pid !== 0 && (await run(...insideOf(pid, 'true', [])).then(() => true));
  };
  try {
    await until('namespaces', 10_000, isOpen, [holder]);
    await prepareNamespaces({ dir, pid });
  } catch (error) {
    await close();
    throw error;
  }
  const start: NodePlace['start'] = async (name, command, args) => {
    const daemon = await startDaemon(name, command, args, { logFile: logFile(name), inside: pid });
    daemons.push(daemon);
    return daemon;
  };
  const place = { dir, runDir, pid, cgroup, start };
  const forward = async (target: string, port: number) => {
    daemons.push(...(await forwardTo(place, target, port)));
  };
  return { place, forward, close };
}

/** Certificates of a new cluster, or those of the one that is in the directory. */
async function openPki(dir: string, addresses: Addresses): Promise<CertificateAuthority> {
  if (existsSync(join(dir, 'etcd'))) {
    const authority = openAuthority(join(dir, 'pki'));
    const pair = { cert: join(dir, 'pki', 'admin.crt'), key: join(dir, 'pki', 'admin.key') };
    writeKubeconfig(join(dir, 'kubeconfig'), addresses.outsideUrl, authority.certPem, { pair });
    return authority;
  }
  const authority = await createPki(dir, addresses);
  await authority.client('apiserver-kubelet', 'apiserver-kubelet', ['system:masters']);
  return authority;
}

/** The same ways in for another process, which got `info` from the one that started the cluster. */
export function accessCluster(info: ClusterInfo): ClusterAccess {
  const { dir, runDir, nsenterPid: pid } = info;
  const logFile = join(dir, 'log', 'forward.log');
  const place = { dir, runDir, pid };
  const forwardOf = (port: number, ends: readonly Daemon[]): Forward => ({
    port,
    url: `http://127.0.0.1:${port}`,
    close: async () => {
      await Promise.all(ends.map((end) => end.stop('SIGKILL')));
    },
  });
  return {
    ...info,
    run: (command, args, options) => run(...insideOf(pid, command, args), options),
    ctr: (args) => ctr(place, args),
    loadImages: (images) => importImages(place, images),
    forward: async (target) => {
      const port = await freePort();
      return forwardOf(port, await forwardTo(place, target, port));
    },
    forwardInto: async (port) => {
      const socket = join(runDir, `into-${port}.sock`);
      const outside = await startDaemon(
        'forward',
        'socat',
        [`UNIX-LISTEN:${socket},fork,unlink-early`, `TCP:127.0.0.1:${port}`],
        { logFile },
      );
      const inside = await startDaemon(
        'forward',
        'socat',
        [`TCP-LISTEN:${port},bind=${nodeAddress},fork,reuseaddr`, `UNIX-CONNECT:${socket},retry=50,interval=0.1`],
        { logFile, inside: pid },
      );
      const isOpen = () => existsSync(socket) && listens(pid, nodeAddress, port);
      await until(`a way in for port ${port}`, 10_000, isOpen, [outside, inside]);
      return forwardOf(port, [outside, inside]);
    },
  };
}

/** Loopback port outside → unix socket → address inside. A unix socket is in the file system, so it crosses network namespaces. */
async function forwardTo(
  place: { dir: string; runDir: string; pid: number },
  target: string,
  port: number,
): Promise<Daemon[]> {
  const socket = join(place.runDir, `to-${port}.sock`);
  const logFile = join(place.dir, 'log', 'forward.log');
  const inside = await startDaemon('forward', 'socat', [`UNIX-LISTEN:${socket},fork,unlink-early`, `TCP:${target}`], {
    logFile,
    inside: place.pid,
  });
  const outside = await startDaemon(
    'forward',
    'socat',
    [`TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr`, `UNIX-CONNECT:${socket},retry=50,interval=0.1`],
    { logFile },
  );
  const isOpen = () => existsSync(socket) && listens('self', '127.0.0.1', port);
  await until(`a way to ${target}`, 10_000, isOpen, [inside, outside]);
  return [inside, outside];
}

/** Whether somebody listens at an IPv4 address in the network of a process. To try it would be a connection of its own. */
function listens(pid: number | 'self', address: string, port: number): boolean {
  const octets = address.split('.').map((octet) => Number(octet).toString(16).padStart(2, '0'));
  const place = `${octets.reverse().join('')}:${port.toString(16).padStart(4, '0')}`.toUpperCase();
  const listening = '0A';
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8')
    .split('\n')
    .some((line) => line.trim().split(/\s+/)[1] === place && line.trim().split(/\s+/)[3] === listening);
}

/** Takes a directory for this process. @throws when a living process has it */
function claimDir(dir: string): string {
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o755);
  const owner = join(dir, 'owner');
  const mark = existsSync(owner) ? readFileSync(owner, 'utf8') : '';
  if (mark !== '' && ownerLives(mark)) {
    throw new Error(
      `a cluster is already running in ${dir} (process ${mark.split(' ')[0]}); stop it or choose another directory`,
    );
  }
  writeFileSync(owner, ownerMark());
  return realpathSync(dir);
}

/** The same port as last time if it is free, so that an old kubeconfig of a kept cluster goes on working. */
async function keptPort(file: string): Promise<number> {
  const before = existsSync(file) ? Number(readFileSync(file, 'utf8')) : undefined;
  const port = await freePort(before);
  writeFileSync(file, String(port));
  return port;
}

function clearCgroups(runDir: string): void {
  const file = join(runDir, 'cgroup');
  if (existsSync(file)) removeCgroups(readFileSync(file, 'utf8'));
}
