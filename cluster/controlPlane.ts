import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { auditPolicy } from './auditLog.ts';
import { ensureDebian } from './debian.ts';
import { createKubeApi, type KubeApi } from './kubeApi.ts';
import { readKubeconfig, writeKubeconfig } from './kubeconfig.ts';
import { type CertificateAuthority, createAuthority, type Pair } from './pki.ts';
import { type Daemon, freePort, run, runs, startDaemon, until } from './process.ts';
import { createScratch } from './scratch.ts';
import { ensureTools } from './tools.ts';

export const serviceCidr = '10.96.0.0/16';
export const podCidr = '10.244.0.0/16';
const apiClusterIp = '10.96.0.1';
/** Of a cluster that knows no IPv4 at all. */
const ipv6ServiceCidr = 'fd00:96::/112';
const purpose = 'to run a real Kubernetes API server';

/** Starts a process where the control plane lives: on this machine, or inside a cluster's namespaces. */
export type Start = (name: string, command: string, args: readonly string[]) => Promise<Daemon>;

/** Where the control plane listens; every port is its own. */
export interface Addresses {
  readonly apiPort: number;
  readonly etcdPort: number;
  readonly etcdPeerPort: number;
  /** Where this process reaches the API server; the same as inside, unless it lives in another network namespace. */
  readonly outsideUrl: string;
  /** Address of the node inside a cluster; absent: everything stays on the loopback interface and there is no node. */
  readonly nodeAddress?: string;
}

export interface ControlPlane {
  /** Path of the administrator's kubeconfig (group `system:masters`). */
  readonly kubeconfig: string;
  readonly url: string;
  readonly caPem: string;
  readonly adminCert: Pair;
  /** Path of the audit log; `readAudit` reads it. */
  readonly auditLog: string;
  /** Holds `kubeconfig`, `pki/`, `log/`, `audit.log`, `etcd/`. */
  readonly dir: string;
  /** Of etcd's own API, without TLS. */
  readonly etcdUrl: string;
  readonly authority: CertificateAuthority;
  readonly api: KubeApi;
  readonly daemons: readonly Daemon[];
  stopApiServer(): Promise<void>;
  startApiServer(): Promise<void>;
  /** Ends it as a crash would and starts it again; resolves when it is ready. */
  restartApiServer(): Promise<void>;
  stop(): Promise<void>;
}

export interface ControlPlaneOptions {
  /** Without it pods stay as the test made them; with it they get `Unschedulable`. */
  readonly scheduler?: boolean;
  /** Without it nothing owns-and-collects, no Deployment makes pods, no namespace gets its service account. */
  readonly controllers?: boolean;
  /** The API server listens at `::1` and gives Services addresses of IPv6 alone; only without a node. */
  readonly ipv6?: boolean;
}

/**
 * Starts etcd, API server, controller-manager and (if asked) scheduler on free loopback ports: RBAC, admission, CRDs, garbage
 * collection are real; there is no node. Everything ends with this process, however that ends.
 * @throws PrerequisiteMissing
 */
export async function startControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const [apiPort, etcdPort, etcdPeerPort] = [await freePort(), await freePort(), await freePort()];
  const dir = createScratch('control-plane');
  mkdirSync(join(dir, 'log'));
  const start: Start = (name, command, args) =>
    startDaemon(name, command, args, { logFile: join(dir, 'log', `${name}.log`), cwd: dir });
  try {
    const plane = await startControlPlaneIn(
      dir,
      { apiPort, etcdPort, etcdPeerPort, outsideUrl: `https://${options.ipv6 ? '[::1]' : '127.0.0.1'}:${apiPort}` },
      start,
      options,
    );
    return {
      ...plane,
      stop: async () => {
        await plane.stop();
        rmSync(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

/** Certificates and kubeconfigs of a new cluster, in `dir`. */
export async function createPki(dir: string, addresses: Addresses): Promise<CertificateAuthority> {
  if (!(await runs('openssl', ['version'])))
    await ensureDebian(['openssl'], 'to make the certificates of a test cluster');
  const authority = await createAuthority(join(dir, 'pki'));
  const names = ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'kubernetes.default.svc.cluster.local'];
  const [admin, manager, scheduler] = await Promise.all([
    authority.client('admin', 'admin', ['system:masters']),
    authority.client('controller-manager', 'system:kube-controller-manager'),
    authority.client('scheduler', 'system:kube-scheduler'),
    authority.server('apiserver', 'kube-apiserver', [
      ...['DNS:localhost', 'IP:127.0.0.1', 'IP:::1', `IP:${apiClusterIp}`, ...names.map((n) => `DNS:${n}`)],
      ...(addresses.nodeAddress ? [`IP:${addresses.nodeAddress}`] : []),
    ]),
    run('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', join(dir, 'pki', 'sa.key')]),
  ]);
  const inside = addresses.nodeAddress === undefined ? addresses.outsideUrl : `https://127.0.0.1:${addresses.apiPort}`;
  writeKubeconfig(join(dir, 'kubeconfig'), addresses.outsideUrl, authority.certPem, { pair: admin });
  writeKubeconfig(join(dir, 'controller-manager.kubeconfig'), inside, authority.certPem, { pair: manager });
  writeKubeconfig(join(dir, 'scheduler.kubeconfig'), inside, authority.certPem, { pair: scheduler });
  return authority;
}

export const controlPlaneTools = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler'] as const;

/** The same in a directory and a place of the caller's choice; used by a cluster with a node. */
export async function startControlPlaneIn(
  dir: string,
  addresses: Addresses,
  start: Start,
  options: ControlPlaneOptions = {},
  existing?: CertificateAuthority,
): Promise<ControlPlane> {
  const tools = await ensureTools(controlPlaneTools, purpose);
  const authority = existing ?? (await createPki(dir, addresses));
  const kubeconfig = join(dir, 'kubeconfig');
  const auditLog = join(dir, 'audit.log');
  writeFileSync(join(dir, 'audit-policy.json'), JSON.stringify(auditPolicy));
  const api = createKubeApi(readKubeconfig(kubeconfig));
  const flags = apiServerFlags(dir, addresses, auditLog, options.ipv6 ?? false);
  const daemons: Daemon[] = [];
  const others: Daemon[] = [];
  let apiServer: Daemon | undefined;

  const startApiServer = async () => {
    apiServer = await start('kube-apiserver', tools['kube-apiserver'], flags);
    daemons.push(apiServer);
    const watched = [...others, apiServer];
    await until('API server ready', 60_000, async () => (await api.request('GET', '/readyz')).status === 200, watched);
  };
  const stopApiServer = async () => {
    await apiServer?.stop('SIGKILL');
    apiServer = undefined;
  };
  const stop = async () => {
    api.close();
    // Nothing is kept, so nothing needs to end gently.
    await Promise.all([...others.reverse(), ...(apiServer ? [apiServer] : [])].map((d) => d.stop('SIGKILL')));
  };

  try {
    others.push(await start('etcd', tools.etcd, etcdFlags(dir, addresses)));
    await startApiServer();
    if (options.controllers ?? true) {
      others.push(
        await start('kube-controller-manager', tools['kube-controller-manager'], managerFlags(dir, addresses)),
      );
      const account = '/api/v1/namespaces/default/serviceaccounts/default';
      await until('controllers', 30_000, async () => (await api.request('GET', account)).status === 200, others);
    }
    if (options.scheduler) {
      const flags = ['--kubeconfig', join(dir, 'scheduler.kubeconfig'), '--leader-elect=false', '--secure-port', '0'];
      others.push(await start('kube-scheduler', tools['kube-scheduler'], flags));
    }
  } catch (error) {
    await stop();
    throw error;
  }
  daemons.push(...others);
  return {
    kubeconfig,
    url: addresses.outsideUrl,
    caPem: authority.certPem,
    adminCert: { cert: join(dir, 'pki', 'admin.crt'), key: join(dir, 'pki', 'admin.key') },
    auditLog,
    dir,
    etcdUrl: `http://127.0.0.1:${addresses.etcdPort}`,
    authority,
    api,
    daemons,
    startApiServer,
    stopApiServer,
    restartApiServer: async () => {
      await stopApiServer();
      await startApiServer();
    },
    stop,
  };
}

function etcdFlags(dir: string, { etcdPort, etcdPeerPort }: Addresses): string[] {
  const client = `http://127.0.0.1:${etcdPort}`;
  const peer = `http://127.0.0.1:${etcdPeerPort}`;
  return [
    ...['--data-dir', join(dir, 'etcd'), '--unsafe-no-fsync', '--log-level', 'warn'],
    ...['--listen-client-urls', client, '--advertise-client-urls', client],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `default=${peer}`],
  ];
}

function apiServerFlags(dir: string, addresses: Addresses, auditLog: string, ipv6: boolean): string[] {
  const pki = (file: string) => join(dir, 'pki', file);
  const loopback = ipv6 ? '::1' : '127.0.0.1';
  const where =
    addresses.nodeAddress === undefined
      ? // An endpoint of the service "kubernetes" may not be a loopback address, and nobody uses it without a node.
        [...['--bind-address', loopback, '--advertise-address', loopback], ...['--endpoint-reconciler-type', 'none']]
      : [
          ...['--advertise-address', addresses.nodeAddress],
          ...['--kubelet-certificate-authority', pki('ca.crt'), '--kubelet-preferred-address-types', 'InternalIP'],
          ...['--kubelet-client-certificate', pki('apiserver-kubelet.crt')],
          ...['--kubelet-client-key', pki('apiserver-kubelet.key')],
        ];
  return [
    ...[
      '--etcd-servers',
      `http://127.0.0.1:${addresses.etcdPort}`,
      '--secure-port',
      String(addresses.apiPort),
      ...where,
    ],
    ...['--service-cluster-ip-range', ipv6 ? ipv6ServiceCidr : serviceCidr, '--authorization-mode', 'Node,RBAC'],
    ...['--enable-admission-plugins', 'NodeRestriction', '--client-ca-file', pki('ca.crt')],
    ...['--tls-cert-file', pki('apiserver.crt'), '--tls-private-key-file', pki('apiserver.key')],
    ...['--service-account-issuer', 'https://kubernetes.default.svc.cluster.local'],
    ...['--service-account-signing-key-file', pki('sa.key'), '--service-account-key-file', pki('sa.key')],
    ...['--audit-policy-file', join(dir, 'audit-policy.json'), '--audit-log-path', auditLog],
    // Turned over at 100 MB by default, and whoever follows it would miss the rest.
    ...['--audit-log-maxsize', '10000'],
  ];
}

function managerFlags(dir: string, { nodeAddress }: Addresses): string[] {
  const pki = (file: string) => join(dir, 'pki', file);
  return [
    ...['--kubeconfig', join(dir, 'controller-manager.kubeconfig'), '--leader-elect=false', '--secure-port', '0'],
    // The default limits (20 requests a second) slow down tests that make many objects at once.
    ...['--use-service-account-credentials', '--kube-api-qps', '200', '--kube-api-burst', '400'],
    ...['--service-account-private-key-file', pki('sa.key'), '--root-ca-file', pki('ca.crt')],
    ...['--cluster-signing-cert-file', pki('ca.crt'), '--cluster-signing-key-file', pki('ca.key')],
    ...(nodeAddress === undefined
      ? []
      : ['--allocate-node-cidrs', '--cluster-cidr', podCidr, '--service-cluster-ip-range', serviceCidr]),
  ];
}
