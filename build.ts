import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { build as buildPages } from 'vite';

// `npm run build [-- program…]`: bundles each program, or the named ones, into dist/<program>/main.js, one file without node_modules. Files that the sources read at run
// time (SQL, pages, schemas) are copied to the same relative place below dist/<program>, and every module goes on seeing them there.
// Without a name, or with the name `client`, `kubectl` or `1c`, what others use is built too: the package dist/package, the command
// dist/kubectl-licence, the extension for 1C:Enterprise dist/1c.
// With the name `site`: the documentation as a site, dist/site.

const root = fileURLToPath(new URL('.', import.meta.url));
const programs = ['operator', 'server', 'authority'] as const;
/** Folders whose files other than TypeScript a program may read; of `docs` its pages. */
const assets: Record<(typeof programs)[number], readonly string[]> = {
  operator: ['operator', 'crds', 'docs/runbooks'],
  server: ['server', 'licence', 'web/dist'],
  authority: ['authority', 'licence', 'web/cabinet/dist'],
};

/**
 * Tells each module its own place below the bundle's directory instead of the bundle's: `import.meta.url` and `__dirname` then lead to
 * the copied files. Only the entry is the main module.
 */
const keepPlaces: Plugin = {
  name: 'keep-places',
  setup(bundle) {
    bundle.onLoad({ filter: /\.([cm]?js|ts)$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!/import\.meta\.(url|main|dirname|filename)|__dirname|__filename/.test(text)) return undefined;
      const place = JSON.stringify(relative(root, path).split(sep).join('/'));
      const isEntry = bundle.initialOptions.entryPoints?.toString() === path;
      return {
        contents: text
          .replaceAll(/\bimport\.meta\.main\b/g, String(isEntry))
          .replaceAll(/\bimport\.meta\.url\b/g, `__urlOf(${place})`)
          .replaceAll(/\b(import\.meta\.filename|__filename)\b/g, `__pathOf(${place})`)
          .replaceAll(
            /\b(import\.meta\.dirname|__dirname)\b/g,
            `__pathOf(${JSON.stringify(dirname(JSON.parse(place)))})`,
          ),
        loader: path.endsWith('.ts') ? 'ts' : 'js',
      };
    });
  },
};

/** Loaded only where they are wanted: each a file of its own beside the program, so that this stays small. */
const apart: Readonly<Record<(typeof programs)[number], readonly string[]>> = {
  operator: ['runtime/otlpSpans.ts'],
  server: ['runtime/otlpSpans.ts', 'server/backup/bucketDestination.ts', 'server/backup/encryption.ts'],
  authority: ['runtime/otlpSpans.ts'],
};
/** Programs of threads: each is bundled to where its source would be. */
const threads: Readonly<Partial<Record<(typeof programs)[number], readonly string[]>>> = {
  server: ['server/seats/simulate/worker.ts', 'server/backup/worker.ts'],
};
const fileOf = (source: string): string => basename(source).replace(/\.ts$/, '.js');
/** @param up from what is bundled to the program's folder */
const leaveApart = (sources: readonly string[], up = './'): Plugin => ({
  name: 'leave-apart',
  setup(bundle) {
    bundle.onResolve({ filter: /\.ts$/ }, ({ kind, path }) => {
      const source = sources.find((one) => basename(one) === basename(path));
      return kind === 'dynamic-import' && source !== undefined
        ? { path: `${up}${fileOf(source)}`, external: true }
        : undefined;
    });
  },
});

/** Imported as an ES module, node:http evaluates everything that it offers, a second HTTP client among it: start time and memory. */
const httpByRequire: Plugin = {
  name: 'http-by-require',
  setup(bundle) {
    const namespace = 'by-require';
    bundle.onResolve({ filter: /^(node:)?https?$/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path, namespace } : undefined,
    );
    bundle.onLoad({ filter: /./, namespace }, ({ path }) => ({
      contents: `module.exports = require(${JSON.stringify(path)});`,
    }));
  },
};

/** @param up from what is bundled to the program's folder */
const bannerOf = (up = './') => `import { createRequire as __createRequire } from 'node:module';
import { fileURLToPath as __toPath } from 'node:url';
const require = __createRequire(import.meta.url);
const __urlOf = (place) => new URL('${up}' + place, import.meta.url).href;
const __pathOf = (place) => __toPath(__urlOf(place));`;

function copyAssets(folder: string, to: string): void {
  if (!existsSync(join(root, folder))) return;
  const isAsset = (name: string) => (folder.startsWith('docs/') ? name.endsWith('.md') : !/\.(ts|tsx|md)$/.test(name));
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !isAsset(entry.name)) continue;
    const file = join(entry.parentPath, entry.name);
    const target = join(to, relative(root, file));
    mkdirSync(dirname(target), { recursive: true });
    cpSync(file, target);
  }
}

const named = process.argv.slice(2);
if (!['client', 'kubectl', '1c', 'site'].includes(named.join())) {
  const configFile = join(root, 'web/vite.config.ts');
  for (const page of ['web', 'web/cabinet']) await buildPages({ root: join(root, page), configFile, logLevel: 'warn' });
}
for (const program of programs.filter((p) => named.length === 0 || named.includes(p))) {
  const entry = join(root, program, 'main.ts');
  const out = join(root, 'dist', program);
  rmSync(out, { recursive: true, force: true });
  const bundle: BuildOptions = {
    bundle: true,
    platform: 'node',
    target: 'node24',
    format: 'esm',
    banner: { js: bannerOf() },
    plugins: [keepPlaces, leaveApart(apart[program]), httpByRequire],
    external: ['pg-native', 'pino-pretty'],
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'warning',
  };
  await build({ ...bundle, entryPoints: [entry], outfile: join(out, 'main.js') });
  for (const source of apart[program]) {
    await build({ ...bundle, entryPoints: [join(root, source)], outfile: join(out, fileOf(source)) });
  }
  for (const source of threads[program] ?? []) {
    const up = '../'.repeat(source.split('/').length - 1);
    await build({
      ...bundle,
      banner: { js: bannerOf(up) },
      plugins: [keepPlaces, leaveApart(apart[program], up), httpByRequire],
      entryPoints: [join(root, source)],
      outfile: join(out, source.replace(/\.ts$/, '.js')),
    });
  }
  for (const folder of assets[program]) copyAssets(folder, out);
}

if ((named.length === 0 || named.includes('kubectl')) && existsSync(join(root, 'cli'))) {
  const { buildKubectlLicence } = await import('./kubectlPackage.ts');
  await buildKubectlLicence(join(root, 'dist/kubectl-licence'), []);
}

/** An image's build context leaves them out. */
const isShared = named.length === 0 || named.includes('client');
if (isShared && existsSync(join(root, 'client'))) {
  const { buildClientPackage } = await import('./clientPackage.ts');
  await buildClientPackage(join(root, 'dist/package'));
}

if ((named.length === 0 || named.includes('1c')) && existsSync(join(root, 'client/1c'))) {
  const { buildOnecExtension } = await import('./onecExtension.ts');
  buildOnecExtension(join(root, 'dist/1c'));
}

if (named.includes('site')) {
  const { buildSite } = await import('./site/build.ts');
  process.stdout.write(
    `${relative(process.cwd(), await buildSite(join(root, 'dist/site'), join(root, 'dist/site-pages')))}\n`,
  );
}
