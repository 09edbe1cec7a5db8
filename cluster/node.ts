import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { podCidr, serviceCidr } from './controlPlane.ts';
import { ensureCommands } from './debian.ts';
import type { ImageArchive } from './images.ts';
import type { KubeApi } from './kubeApi.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import type { CertificateAuthority } from './pki.ts';
import { PrerequisiteMissing } from './prerequisite.ts';
import { type Daemon, insideOf, run, until } from './process.ts';
import { ensureTools } from './tools.ts';

export const nodeName = 'node-1';
/** The only address of the node; it exists in the cluster's network namespace and nowhere else. */
export const nodeAddress = '10.200.0.1';
const purpose = 'to run pods on a node';

/** A node in the making: where it lives and what it may call. */
export interface NodePlace {
  readonly dir: string;
  /** Directory of sockets: a short path, since a unix socket's is limited to 107 bytes. */
  readonly runDir: string;
  /** Process 1 of the namespaces. */
  readonly pid: number;
  /** Name of the cgroup that all its pods are in. */
  readonly cgroup: string;
  readonly start: (name: string, command: string, args: readonly string[]) => Promise<Daemon>;
}

/** What a node needs of this machine. @throws PrerequisiteMissing */
export async function ensureNodePrerequisites(): Promise<void> {
  if (process.platform !== 'linux') throw new PrerequisiteMissing('Linux', purpose, 'run this on Linux');
  if (process.getuid?.() !== 0) {
    throw new PrerequisiteMissing('root', `${purpose} (namespaces, mounts, cgroups)`, 'run this as root');
  }
  await ensureCommands(
    {
      containerd: 'containerd',
      ctr: 'containerd',
      runc: 'runc',
      '/usr/lib/cni/bridge': 'containernetworking-plugins',
      iptables: 'iptables',
      ipset: 'ipset',
      conntrack: 'conntrack',
      socat: 'socat',
      ip: 'iproute2',
      sysctl: 'procps',
      openssl: 'openssl',
      mount: 'mount',
    },
    purpose,
  );
  try {
    await run('unshare', ['--net', '--mount', '--pid', '--fork', '--mount-proc', 'true']);
  } catch {
    throw new PrerequisiteMissing(
      'the right to make namespaces',
      purpose,
      'run this in a virtual machine or a privileged container',
    );
  }
}

/** Network and mounts of the namespaces whose process 1 is `pid`. */
export async function prepareNamespaces({ dir, pid }: Pick<NodePlace, 'dir' | 'pid'>): Promise<void> {
  for (const sub of ['kubelet', 'cni', 'log', 'plugins', 'containerd'])
    mkdirSync(join(dir, 'node', sub), { recursive: true });
  const script = `
    ip link set lo up
    ip link add node0 type bridge
    ip addr add ${nodeAddress}/24 dev node0
    ip link set node0 up
    # Leads nowhere: it only lets connect() to a ClusterIP get as far as kube-proxy's rules.
    ip route add default dev node0
    sysctl -qw net.ipv4.ip_forward=1
    sysctl -qw net.bridge.bridge-nf-call-iptables=1 || true
    # These paths are hard-coded in containerd, its shims, the network plugins and the kubelet.
    mount -t tmpfs tmpfs /run
    mkdir -p /run/netns /run/lock
    for d in kubelet cni; do mkdir -p /var/lib/$d; mount --bind "$1/node/$d" /var/lib/$d; done
    mount --bind "$1/node/log" /var/log
    mount --make-rshared /
    # The kubelet sets three sysctls of the whole machine unless they read as it wants: show it files that do.
    for f in vm/overcommit_memory=1 kernel/panic=10 kernel/panic_on_oops=1; do
      echo "\${f#*=}" >"/run/\${f##*/}" && mount --bind "/run/\${f##*/}" "/proc/sys/\${f%=*}"
    done`;
  await run(...insideOf(pid, 'sh', ['-euc', script, 'sh', dir]));
}

const containerdSocket = (place: Pick<NodePlace, 'runDir'>) => join(place.runDir, 'containerd.sock');

/** containerd's own command line in the namespaces, for looking at and killing containers. Answers its output. */
export const ctr = (place: Pick<NodePlace, 'runDir' | 'pid'>, args: readonly string[]): Promise<string> =>
  run(...insideOf(place.pid, 'ctr', ['--address', containerdSocket(place), '--namespace', 'k8s.io', ...args]));

/** Starts containerd; needs no control plane, so it and the import of images can go beside that one's start. */
export async function startContainerd(place: NodePlace): Promise<Daemon> {
  const { dir, runDir } = place;
  const config = join(dir, 'containerd.toml');
  mkdirSync(join(dir, 'cni'), { recursive: true });
  writeFileSync(config, containerdConfig(dir, runDir));
  writeFileSync(join(dir, 'cni', '10-bridge.conflist'), JSON.stringify(cniConfig));
  const containerd = await place.start('containerd', 'containerd', ['--config', config]);
  await until('containerd ready', 30_000, () => ctr(place, ['version']).then(() => true), [containerd]);
  // A killed cluster leaves records of containers that no longer run.
  for (const id of (await ctr(place, ['containers', 'ls', '-q'])).split('\n').filter(Boolean)) {
    await ctr(place, ['containers', 'rm', id]).catch(() => {});
  }
  return containerd;
}

/** Imports what containerd does not have yet. Its store outlives a kept cluster; the marks beside it say what is in there. */
export async function importImages(
  place: Pick<NodePlace, 'dir' | 'runDir' | 'pid'>,
  images: readonly ImageArchive[],
): Promise<void> {
  const marks = join(place.dir, 'node', 'imported');
  mkdirSync(marks, { recursive: true });
  for (const image of images) {
    const mark = join(marks, image.key);
    if (existsSync(mark)) continue;
    await ctr(place, ['images', 'import', image.tar]);
    for (const old of readdirSync(marks)) if (old.startsWith(`${image.short}-`)) rmSync(join(marks, old));
    writeFileSync(mark, '');
  }
}

/** What runs on a node beside containerd. */
export const nodeTools = ['kubelet', 'kube-proxy', 'coredns', 'network-policies'] as const;

/** Joins the node to a control plane that is ready: kubelet, kube-proxy, DNS, network policies. Resolves when the node is Ready. */
export async function startNode(place: NodePlace, api: KubeApi, authority: CertificateAuthority): Promise<Daemon[]> {
  const { dir, cgroup, start } = place;
  const tools = await ensureTools(nodeTools, purpose);
  makeCgroups(cgroup);
  writeFileSync(join(dir, 'resolv.conf'), '');
  writeFileSync(join(dir, 'kubelet.json'), JSON.stringify(kubeletConfig(place)));
  writeFileSync(join(dir, 'proxy.json'), JSON.stringify(proxyConfig(dir)));
  writeFileSync(join(dir, 'Corefile'), corefile(dir));
  await nodeCertificates(dir, authority);
  const kubelet = await start('kubelet', tools.kubelet, [
    ...['--config', join(dir, 'kubelet.json'), '--kubeconfig', join(dir, 'kubelet.kubeconfig')],
    ...['--hostname-override', nodeName, '--node-ip', nodeAddress],
  ]);
  const nodePath = `/api/v1/nodes/${nodeName}`;
  await until('node registered', 60_000, async () => (await api.request('GET', nodePath)).status === 200, [kubelet]);
  // Sooner, kube-proxy would back off for 30 s over the missing node.
  const proxy = await start('kube-proxy', tools['kube-proxy'], ['--config', join(dir, 'proxy.json')]);
  const dns = await start('coredns', tools.coredns, ['-conf', join(dir, 'Corefile')]);
  const policies = await start('network-policies', tools['network-policies'], [
    ...['--kubeconfig', join(dir, 'policies.kubeconfig'), '--node', nodeName],
    ...['--service-cluster-ip-range', serviceCidr],
  ]);
  const daemons = [kubelet, proxy, dns, policies];
  await until('node Ready', 60_000, async () => isReady((await api.request('GET', nodePath)).body), daemons);
  return daemons;
}

const watching = (apiGroup: string, ...resources: string[]) => ({
  apiGroups: [apiGroup],
  resources,
  verbs: ['get', 'list', 'watch'],
});
const systemRights = {
  coredns: [watching('', 'services', 'pods', 'namespaces'), watching('discovery.k8s.io', 'endpointslices')],
  'network-policies': [watching('', 'nodes', 'pods', 'namespaces'), watching('networking.k8s.io', 'networkpolicies')],
};

/** The right to look of what serves the pods, which an installer would give. */
export async function applySystemObjects(api: KubeApi): Promise<void> {
  const group = 'rbac.authorization.k8s.io';
  for (const [name, rules] of Object.entries(systemRights)) {
    const rbac = { apiVersion: `${group}/v1`, metadata: { name } };
    await api.apply(`/apis/${group}/v1/clusterroles/${name}`, { ...rbac, kind: 'ClusterRole', rules });
    await api.apply(`/apis/${group}/v1/clusterrolebindings/${name}`, {
      ...rbac,
      kind: 'ClusterRoleBinding',
      roleRef: { apiGroup: group, kind: 'ClusterRole', name },
      subjects: [{ apiGroup: group, kind: 'User', name }],
    });
  }
}

const cgroupTop = '/sys/fs/cgroup';

/** The kubelet wants its root to be there: one directory with version 2, one in each controller's tree with version 1. */
function makeCgroups(cgroup: string): void {
  if (existsSync(join(cgroupTop, 'cgroup.controllers'))) {
    mkdirSync(join(cgroupTop, cgroup), { recursive: true });
    return;
  }
  for (const controller of readdirSync(cgroupTop)) {
    const dir = join(cgroupTop, controller);
    if (existsSync(join(dir, 'cgroup.procs'))) mkdirSync(join(dir, cgroup), { recursive: true });
  }
}

/** Removes the pods' cgroups of a cluster whose processes are gone. False when some could not be removed yet. */
export function removeCgroups(cgroup: string): boolean {
  let isGone = true;
  for (const controller of ['', ...readdirSync(cgroupTop)]) {
    const top = join(cgroupTop, controller, cgroup);
    if (!existsSync(top)) continue;
    const below = readdirSync(top, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const dir of [top, ...below].sort((a, b) => b.length - a.length)) {
      try {
        rmdirSync(dir);
      } catch {
        isGone = false; // a process in it is not reaped yet
      }
    }
  }
  return isGone;
}

const isReady = (node: unknown): boolean =>
  (node as { status?: { conditions?: { type: string; status: string }[] } }).status?.conditions?.some(
    (c) => c.type === 'Ready' && c.status === 'True',
  ) ?? false;

async function nodeCertificates(dir: string, authority: CertificateAuthority): Promise<void> {
  const [kubelet, proxy, dns, policies] = await Promise.all([
    authority.client('kubelet', `system:node:${nodeName}`, ['system:nodes']),
    authority.client('proxy', 'system:kube-proxy'),
    authority.client('dns', 'coredns'),
    authority.client('policies', 'network-policies'),
    authority.server('kubelet-server', nodeName, [`DNS:${nodeName}`, 'IP:127.0.0.1', `IP:${nodeAddress}`]),
  ]);
  const inside = 'https://127.0.0.1:6443';
  writeKubeconfig(join(dir, 'kubelet.kubeconfig'), inside, authority.certPem, { pair: kubelet });
  writeKubeconfig(join(dir, 'proxy.kubeconfig'), inside, authority.certPem, { pair: proxy });
  writeKubeconfig(join(dir, 'dns.kubeconfig'), inside, authority.certPem, { pair: dns });
  writeKubeconfig(join(dir, 'policies.kubeconfig'), inside, authority.certPem, { pair: policies });
}

const containerdConfig = (dir: string, runDir: string) => `version = 2
root = "${dir}/node/containerd"
state = "/run/containerd"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.native"]
[grpc]
address = "${containerdSocket({ runDir })}"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "localhost/pause:1"
# Neither a negative oom_score_adj nor AppArmor can be counted on.
restrict_oom_score_adj = true
disable_apparmor = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "${dir}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
`;

const cniConfig = {
  cniVersion: '0.4.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      ipMasq: false,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: podCidr.replace('/16', '/24') }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
};

const kubeletConfig = (place: NodePlace) => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  containerRuntimeEndpoint: `unix://${containerdSocket(place)}`,
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: join(place.dir, 'pki', 'ca.crt') },
  },
  authorization: { mode: 'Webhook' },
  tlsCertFile: join(place.dir, 'pki', 'kubelet-server.crt'),
  tlsPrivateKeyFile: join(place.dir, 'pki', 'kubelet-server.key'),
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${place.cgroup}`,
  enforceNodeAllocatable: [],
  failSwapOn: false,
  oomScoreAdj: 0,
  maxOpenFiles: 20_000,
  evictionHard: Object.fromEntries(
    ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree'].map(
      (s) => [s, '0%'],
    ),
  ),
  imageGCHighThresholdPercent: 100, // imported images must never be collected: nothing can pull them again
  localStorageCapacityIsolation: false,
  clusterDNS: [nodeAddress],
  clusterDomain: 'cluster.local',
  resolvConf: join(place.dir, 'resolv.conf'),
  volumePluginDir: join(place.dir, 'node', 'plugins'),
  serializeImagePulls: false,
  syncFrequency: '10s',
});

const proxyConfig = (dir: string) => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  clientConnection: { kubeconfig: join(dir, 'proxy.kubeconfig') },
  hostnameOverride: nodeName,
  mode: 'iptables',
  clusterCIDR: podCidr,
  iptables: { minSyncPeriod: '0s' },
  // Read-only outside the machine's first network namespace.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
});

const corefile = (dir: string) => `.:53 {
  bind ${nodeAddress}
  kubernetes cluster.local {
    kubeconfig ${dir}/dns.kubeconfig cluster
  }
  cache 5
}
`;
