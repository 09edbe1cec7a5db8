import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// What others use of this repository, as a package of its own: the client with its types, and `licence run`. It has no
// dependencies, which the repository's own manifest, with those of the server in it, could not say.

const root = fileURLToPath(new URL('.', import.meta.url));

/** The manifest, of the version of this repository. */
export function clientManifest(): Record<string, unknown> {
  const { name, version, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const client = { types: './client.d.ts', default: './client.js' };
  return {
    name,
    version,
    description: 'Client of the licence server: floating seats with heartbeats, and the command licence',
    license,
    type: 'module',
    sideEffects: false,
    exports: { '.': client, './client': client, './package.json': './package.json' },
    bin: { licence: './licence.js' },
    engines: { node: '>=20' },
  };
}

/** Makes `out` the package's directory: `npm pack` or `npm publish` it. What was there before is removed. */
export async function buildClientPackage(out: string): Promise<void> {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const shared = { bundle: true, platform: 'node', target: 'node20', format: 'esm', logLevel: 'warning' } as const;
  const client = join(root, 'client/licenceClient.ts');
  await build({ ...shared, entryPoints: [client], outfile: join(out, 'client.js') });
  const banner = `import { createRequire as __createRequire } from 'node:module';\nconst require = __createRequire(import.meta.url);`;
  await build({
    ...shared,
    entryPoints: [join(root, 'cli/licence.ts')],
    outfile: join(out, 'licence.js'),
    banner: { js: banner },
  });
  const types = ['--declaration', '--emitDeclarationOnly', '--noEmit', 'false', '--rootDir', join(root, 'client')];
  const settings = ['--ignoreConfig', '--target', 'es2024', '--module', 'nodenext', '--strict', '--types', 'node'];
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, client, ...types, ...settings, '--outDir', out], {
    stdio: 'inherit',
    cwd: root,
  });
  renameSync(join(out, 'licenceClient.d.ts'), join(out, 'client.d.ts'));
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(clientManifest(), null, 2)}\n`);
  const page = readFileSync(join(root, 'docs/client.md'), 'utf8');
  writeFileSync(join(out, 'README.md'), page.replaceAll(/\[([^\]]+)\]\((?!https?:|#)[^)]+\)/g, '$1')); // the other pages are not in it
  cpSync(join(root, 'LICENSE'), join(out, 'LICENSE'));
}
