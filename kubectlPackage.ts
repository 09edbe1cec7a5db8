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
 * Of large libraries only what the commands use: everything else would be read at each start, which is most of what somebody waits
 * for. The Kubernetes library's generated client of every kind and undici's `fetch`, caches, mocks and HTTP/2 are called by nothing
 * here. A part that is not named below is missed when the program is built.
 */
const parts: Plugin = {
  name: 'parts',
  setup(bundle) {
    const namespace = 'parts';
    const kubernetes = join(root, 'node_modules/@kubernetes/client-node/dist');
    const undici = join(root, 'node_modules/undici/lib');
    const zod = join(root, 'node_modules/zod');
    const only: Readonly<Record<string, { readonly resolveDir: string; readonly contents: string }>> = {
      '@kubernetes/client-node': {
        resolveDir: kubernetes,
        contents: `export { KubeConfig } from './config.js'; export { PortForward } from './portforward.js';`,
      },
      undici: {
        resolveDir: undici,
        contents: `Object.assign(require('./dispatcher/dispatcher').prototype, { request: require('./api/api-request') });
          exports.Agent = require('./dispatcher/agent'); exports.ProxyAgent = require('./dispatcher/proxy-agent');`,
      },
    };
    bundle.onResolve({ filter: /^(@kubernetes\/client-node|undici)$/ }, ({ path }) => ({ path, namespace }));
    bundle.onLoad({ filter: /.*/, namespace }, ({ path }) => only[path]);

    const without = 'without';
    const left: readonly [RegExp, string][] = [
      [/\/gen\/index\.js$/, kubernetes],
      [/\/locales\/index\.js$/, zod],
      [/\/client-h2\.js$/, undici],
      [/\/web\/(fetch\/body|fetch\/formdata|webidl)(\.js)?$/, undici],
    ];
    for (const [filter, library] of left)
      bundle.onResolve({ filter }, ({ path, importer }) =>
        importer.startsWith(library) ? { path, namespace: without } : undefined,
      );
    bundle.onLoad({ filter: /.*/, namespace: without }, () => ({ contents: 'module.exports = {};' }));
  },
};

/**
 * What the Kubernetes library needs for few kubeconfigs (SOCKS and HTTP proxies, tokens of OpenID Connect, Azure, Google) is read
 * when it is first touched.
 */
const seldom: Plugin = {
  name: 'seldom',
  setup(bundle) {
    const namespace = 'seldom';
    const filter = /^(socks|socks-proxy-agent|hpagent|openid-client|jsonpath-plus)$/;
    bundle.onResolve({ filter }, ({ path, importer }) =>
      importer.includes('@kubernetes/client-node') ? { path, namespace } : undefined,
    );
    bundle.onLoad({ filter: /.*/, namespace }, async ({ path }) => {
      const names = Object.keys((await import(path)) as object).filter((name) => /^\w+$/.test(name));
      const getters = names.map((name) => `get ${name}() { return require('${path}').${name}; }`);
      return { contents: `module.exports = { ${getters.join(', ')} };`, resolveDir: root };
    });
  },
};

const oldestNode = 22;

/**
 * The file for Node. Node translates a program at each start, which takes as long as all else of a short command, unless it may keep
 * what it made of it: for this user alone, where kubectl keeps such things. It does so for modules, not for the file that it begins
 * with. So the program is the comment at the end of this file, compiled as a module of its own. Where nothing can be kept, it runs
 * all the same.
 */
const fileForNode = (program: string): string => `#!/usr/bin/env node
if (Number(process.versions.node.split('.')[0]) < ${oldestNode}) {
  console.error('kubectl licence needs Node ${oldestNode} or newer, and this is ' + process.version + '; the executable needs none');
  process.exit(1);
}
const { enableCompileCache } = require('node:module');
const { existsSync, mkdirSync, readFileSync } = require('node:fs');
const { dirname, join } = require('node:path');
try {
  const kept = process.env.KUBECACHEDIR || join(require('node:os').homedir(), '.kube', 'cache');
  const ours = join(kept, 'licence');
  for (const dir of [dirname(kept), kept, ours]) if (!existsSync(dir)) mkdirSync(dir, 0o750);
  enableCompileCache?.(ours);
} catch {} // nobody's home, or no place to write
const text = readFileSync(__filename, 'utf8');
const program = text.slice(text.indexOf('/' + '*') + 2, -3).replaceAll('${commentEnd}', '*/');
module._compile(program, join(__dirname, 'kubectl-licence.program'));
/*${program.replace(/^#!.*\n/, '').replaceAll('*/', commentEnd)}*/
`;
/** Stands for what would end the comment; occurs in no program. */
const commentEnd = '*COMMENT-END/';

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
  const { outputFiles } = await build({
    entryPoints: [join(root, 'cli/kubectl/main.ts')],
    write: false,
    charset: 'ascii',
    bundle: true,
    platform: 'node',
    target: `node${oldestNode}`,
    format: 'cjs',
    minify: true,
    legalComments: 'none',
    logLevel: 'warning',
    // Optional parts of libraries that are never loaded here.
    external: ['pg-native', 'pino-pretty', 'bufferutil', 'utf-8-validate'],
    plugins: [onePlace, parts, seldom],
  });
  const program = outputFiles[0]?.text ?? '';
  writeFileSync(bundle, fileForNode(program), { mode: 0o755 });
  writeFileSync(join(out, 'kubectl_complete-licence'), completion, { mode: 0o755 });
  // Where a package of ES modules is all around it, the file is still what it is.
  writeFileSync(join(out, 'package.json'), '{"type":"commonjs"}\n');
  cpSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
  for (const platform of platforms) executable(program, join(out, platform), platform);
}

function executable(text: string, out: string, platform: string): void {
  const scratch = mkdtempSync(join(tmpdir(), 'kubectl-licence-'));
  try {
    const blob = join(scratch, 'blob');
    const config = join(scratch, 'sea.json');
    const main = join(scratch, 'main.cjs');
    writeFileSync(main, text);
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
