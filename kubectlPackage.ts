import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

// `kubectl licence` as people install it: one file for Node, and one executable without Node for each platform that is asked for.
//   node kubectlPackage.ts [--executable linux-x64,linux-arm64,darwin-arm64,win-x64]

const root = fileURLToPath(new URL('.', import.meta.url));

/** A program of one CommonJS file: where it stands is all that is left of a module's own place. */
const onePlace: Plugin = {
  name: 'one-place',
  setup(bundle) {
    bundle.onLoad({ filter: /\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!/import\.meta\.(url|main)/.test(text)) return undefined;
      const contents = text
        .replaceAll(/\bimport\.meta\.main\b/g, 'false')
        .replaceAll(/\bimport\.meta\.url\b/g, `require('node:url').pathToFileURL(__filename).href`);
      return { contents, loader: 'ts' };
    });
  },
};

/**
 * Of the Kubernetes library only what the commands use. Its generated client of every kind is a third of the program, which each
 * start would read; nothing here calls it. A part that is not named below is missed when the program is built.
 */
const kubernetesParts: Plugin = {
  name: 'kubernetes-parts',
  setup(bundle) {
    const dist = join(root, 'node_modules/@kubernetes/client-node/dist');
    const namespace = 'kubernetes-parts';
    bundle.onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({ path: 'parts', namespace }));
    bundle.onResolve({ filter: /\/gen\/index\.js$/ }, ({ importer }) =>
      importer.startsWith(dist) ? { path: 'generated', namespace } : undefined,
    );
    bundle.onLoad({ filter: /^parts$/, namespace }, () => ({
      contents: `export { KubeConfig } from './config.js'; export { PortForward } from './portforward.js';`,
      resolveDir: dist,
    }));
    bundle.onLoad({ filter: /^generated$/, namespace }, () => ({ contents: 'module.exports = {};' }));
  },
};

const oldestNode = 22;

/** Node's own mark in an executable, where a program may be put; and the name of that place. Source: Node's documentation of single executables. */
const fuse = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const blobName = 'NODE_SEA_BLOB';

/** For completion as kubectl asks for it: beside the plugin on the PATH. */
const completion = '#!/bin/sh\nexec kubectl-licence __complete "$@"\n';

/** Makes `out/kubectl-licence`, `out/kubectl_complete-licence`, and below `out/<platform>` an executable for each platform. */
export async function buildKubectlLicence(out: string, platforms: readonly string[]): Promise<void> {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const bundle = join(out, 'kubectl-licence');
  await build({
    entryPoints: [join(root, 'cli/kubectl/main.ts')],
    outfile: bundle,
    bundle: true,
    platform: 'node',
    target: `node${oldestNode}`,
    format: 'cjs',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
    // Optional parts of libraries that are never loaded here.
    external: ['pg-native', 'pino-pretty', 'bufferutil', 'utf-8-validate'],
    plugins: [onePlace, kubernetesParts],
    banner: {
      js: `if (Number(process.versions.node.split('.')[0]) < ${oldestNode}) {
  console.error('kubectl licence needs Node ${oldestNode} or newer, and this is ' + process.version + '; the executable needs none');
  process.exit(1);
}`,
    },
  });
  chmodSync(bundle, 0o755);
  writeFileSync(join(out, 'kubectl_complete-licence'), completion, { mode: 0o755 });
  // Where a package of ES modules is all around it, the file is still what it is.
  writeFileSync(join(out, 'package.json'), '{"type":"commonjs"}\n');
  cpSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
  for (const platform of platforms) executable(bundle, join(out, platform), platform);
}

function executable(bundle: string, out: string, platform: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'kubectl-licence-'));
  try {
    const blob = join(scratch, 'blob');
    const config = join(scratch, 'sea.json');
    const main = join(scratch, 'main.cjs');
    copyFileSync(bundle, main);
    writeFileSync(
      config,
      JSON.stringify({ main, output: blob, disableExperimentalSEAWarning: true, useCodeCache: false }),
    );
    execFileSync(process.execPath, ['--experimental-sea-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
    mkdirSync(out, { recursive: true });
    const isWindows = platform.startsWith('win-');
    const program = join(out, isWindows ? 'kubectl-licence.exe' : 'kubectl-licence');
    copyFileSync(nodeOf(platform, scratch), program);
    chmodSync(program, 0o755);
    const mac = platform.startsWith('darwin-') ? ['--macho-segment-name', 'NODE_SEA'] : [];
    const postject = join(root, 'node_modules/postject/dist/cli.js');
    execFileSync(process.execPath, [postject, program, blobName, blob, '--sentinel-fuse', fuse, ...mac], {
      stdio: 'ignore',
    });
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Node for a platform: this one's own, else out of the npm package of the same version. */
function nodeOf(platform: string, scratch: string): string {
  if (platform === `${process.platform}-${process.arch}`) return process.execPath;
  const version = process.versions.node;
  execFileSync('npm', ['pack', '--silent', `node-${platform}@${version}`], {
    cwd: scratch,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const archive = readdirSync(scratch).find((name) => name.endsWith('.tgz'));
  if (archive === undefined) throw new Error(`there is no Node ${version} for ${platform}`);
  execFileSync('tar', ['xzf', archive], { cwd: scratch });
  return join(scratch, 'package/bin', platform.startsWith('win-') ? 'node.exe' : 'node');
}

if (import.meta.main) {
  const at = process.argv.indexOf('--executable');
  const platforms = at < 0 ? [] : (process.argv[at + 1] ?? '').split(',').filter((name) => name !== '');
  const out = join(root, 'dist/kubectl-licence');
  await buildKubectlLicence(out, platforms);
  process.stdout.write(`${relative(process.cwd(), out) || dirname(out)}\n`);
}
