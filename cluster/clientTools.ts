import { copyFileSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cached, keyOf } from './cache.ts';
import { ensureCommands } from './debian.ts';
import { PrerequisiteMissing, progress } from './prerequisite.ts';
import { run } from './process.ts';

// Clients of other languages: generated from the kept OpenAPI document of this version, compiled with the samples of docs/clients. The
// generators and what they bring are of pinned versions: in this file, and in the lock files beside the samples.

const generator = 'org.openapitools:openapi-generator-cli:7.25.0';
const oapiCodegen = 'github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@v2.8.2';
const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';

const purpose = 'to generate clients in other languages';
const root = fileURLToPath(new URL('..', import.meta.url));
const samples = join(root, 'docs/clients');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
const documentFile = join(root, `docs/openapi/${version}/server.json`);

/** A generated client with its sample. */
export interface BuiltClient {
  /** Where it was built. */
  readonly dir: string;
  /** Runs the sample; absent where it is only generated. */
  readonly command?: readonly [string, ...string[]];
}

interface Language {
  /** Its tools, once for all documents: a folder of the cache. */
  tools(): Promise<string>;
  /** Generates and compiles in `dir`, which has the sample's files. */
  build(dir: string, tools: string): Promise<unknown>;
  command?(dir: string, tools: string): readonly [string, ...string[]];
}

const text = (...path: readonly string[]): string => readFileSync(join(samples, ...path), 'utf8');

async function versionAtLeast(command: string, args: readonly string[], form: RegExp, least: number, name: string) {
  const said = await run(command, args).catch(() => '');
  const [, major = '0', minor = '0'] = form.exec(said) ?? [];
  if (Number(major) * 1000 + Number(minor) >= least) return;
  const wanted = `${name} ${Math.floor(least / 1000)}.${least % 1000}`;
  throw new PrerequisiteMissing(wanted, purpose, `install it and put it on the PATH (here: ${said.trim() || 'none'})`);
}

/** openapi-generator itself: one tool for Java, Rust and C#. */
async function openapiGenerator(): Promise<string> {
  await ensureCommands({ java: 'default-jdk-headless', javac: 'default-jdk-headless' }, purpose);
  const dir = await cached('client-generator', keyOf(generator), async (draft) => {
    await ensureCommands({ mvn: 'maven' }, purpose);
    progress('fetching openapi-generator (31 MB, once)');
    await run(
      'mvn',
      ['-q', '-B', `${dependencyPlugin}:copy`, `-Dartifact=${generator}`, `-DoutputDirectory=${draft}`],
      {
        cwd: draft,
      },
    );
  });
  return join(dir, readdirSync(dir)[0] ?? '');
}
async function generate(dir: string, language: string, out: string, properties: readonly string[]): Promise<void> {
  const wanted = 'models,apis,supportingFiles,modelDocs=false,apiDocs=false,modelTests=false,apiTests=false';
  const jar = ['-XX:TieredStopAtLevel=1', '-jar', await openapiGenerator()];
  const args = ['generate', '-g', language, '-i', 'openapi.json', '-o', out, '--global-property', wanted];
  await run('java', [...jar, ...args, '--additional-properties', properties.join(',')], { cwd: dir });
}

const filesBelow = (dir: string, ending: string): string[] =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((file) => join(dir, file))
    .filter((file) => file.endsWith(ending) && statSync(file).isFile());

const languages = {
  python: {
    tools: async () => {
      await ensureCommands({ python3: 'python3' }, purpose);
      return cached('client-python', keyOf(text('python/requirements.txt')), async (draft) => {
        const hasVenv = () => run('python3', ['-c', 'import ensurepip, venv']);
        await hasVenv().catch(() => ensureCommands({ '/usr/share/doc/python3-venv': 'python3-venv' }, purpose));
        progress('installing openapi-python-client (once)');
        await run('python3', ['-m', 'venv', draft]);
        const requirements = join(samples, 'python/requirements.txt');
        await run(join(draft, 'bin/python'), ['-m', 'pip', 'install', '--quiet', '-r', requirements]);
      });
    },
    build: (dir, tools) => {
      const args = ['generate', '--path', 'openapi.json', '--meta', 'none', '--output-path', 'licence_client'];
      return run(join(tools, 'bin/python'), ['-m', 'openapi_python_client', ...args], { cwd: dir });
    },
    command: (dir, tools) => [join(tools, 'bin/python'), join(dir, 'sample.py')],
  },
  typescript: {
    tools: () =>
      cached('client-typescript', keyOf(text('typescript/package-lock.json')), async (draft) => {
        progress('installing openapi-typescript and openapi-fetch (once)');
        for (const file of ['package.json', 'package-lock.json'])
          copyFileSync(join(samples, 'typescript', file), join(draft, file));
        await run('npm', ['ci', '--silent', '--no-audit', '--no-fund'], { cwd: draft });
      }),
    build: async (dir, tools) => {
      symlinkSync(join(tools, 'node_modules'), join(dir, 'node_modules'));
      await run(process.execPath, ['node_modules/openapi-typescript/bin/cli.js', 'openapi.json', '-o', 'schema.d.ts'], {
        cwd: dir,
      });
      const strict = ['--noEmit', '--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node'];
      const tsc = ['node_modules/typescript/bin/tsc', ...strict, '--allowImportingTsExtensions', 'sample.ts'];
      await run(process.execPath, tsc, { cwd: dir });
    },
    command: (dir) => [process.execPath, '--no-warnings', join(dir, 'sample.ts')],
  },
  go: {
    tools: async () => {
      await versionAtLeast('go', ['version'], /go(\d+)\.(\d+)/, 1_026, 'Go');
      return cached('client-go', keyOf(oapiCodegen, process.arch), async (draft) => {
        progress('building oapi-codegen (once)');
        await run('go', ['install', oapiCodegen], {
          env: { GOBIN: draft, CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '' },
        });
      });
    },
    build: async (dir, tools) => {
      mkdirSync(join(dir, 'licence'));
      await run(join(tools, 'oapi-codegen'), ['-config', 'oapi-codegen.yaml', 'openapi.json'], { cwd: dir });
      const env = { CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-mod=readonly' };
      await run('go', ['vet', '.'], { cwd: dir, env });
      await run('go', ['build', '-o', 'sample', '.'], { cwd: dir, env });
    },
    command: (dir) => [join(dir, 'sample')],
  },
  java: {
    tools: async () => {
      await openapiGenerator();
      return cached('client-java', keyOf(text('java/pom.xml')), async (draft) => {
        progress('fetching what a Java client needs (once)');
        copyFileSync(join(samples, 'java/pom.xml'), join(draft, 'pom.xml'));
        await run('mvn', ['-q', '-B', `${dependencyPlugin}:copy-dependencies`, `-DoutputDirectory=${draft}`], {
          cwd: draft,
        });
      });
    },
    build: async (dir, tools) => {
      const names = ['invokerPackage=licence', 'apiPackage=licence.api', 'modelPackage=licence.model'];
      const native = ['library=native', 'openApiNullable=false', 'useJakartaEe=true', 'hideGenerationTimestamp=true'];
      await generate(dir, 'java', 'client', [...names, ...native]);
      const sources = filesBelow(dir, '.java').filter((file) => !file.includes('/src/test/'));
      await run('javac', ['-nowarn', '-cp', join(tools, '*'), '-d', join(dir, 'classes'), ...sources]);
    },
    command: (dir, tools) => [
      'java',
      '-XX:TieredStopAtLevel=1',
      '-cp',
      `${join(dir, 'classes')}:${join(tools, '*')}`,
      'Sample',
    ],
  },
  rust: {
    tools: async () => {
      await openapiGenerator();
      await versionAtLeast('cargo', ['--version'], /(\d+)\.(\d+)/, 1_089, 'Rust');
      await ensureCommands({ cc: 'gcc' }, purpose);
      // What it depends on is compiled once for all documents.
      return cached('client-rust', keyOf(text('rust/Cargo.lock')), async () => {});
    },
    build: async (dir, tools) => {
      const crate = ['packageName=licence-client', 'packageVersion=0.0.0']; // the lock file has it
      await generate(dir, 'rust', 'client', ['library=reqwest', 'supportAsync=false', ...crate]);
      progress('compiling the Rust client (minutes the first time)');
      const env = { CARGO_TARGET_DIR: join(tools, 'target') };
      await run('cargo', ['build', '--locked', '--quiet'], { cwd: dir, env });
      copyFileSync(join(tools, 'target/debug/sample'), join(dir, 'sample'));
    },
    command: (dir) => [join(dir, 'sample')],
  },
  /** Generated only: there is no compiler of C# among what Debian has. */
  csharp: {
    tools: openapiGenerator,
    build: (dir) => generate(dir, 'csharp', 'client', ['packageName=Licence', 'targetFramework=net8.0']),
  },
} as const satisfies Record<string, Language>;

export type ClientLanguage = keyof typeof languages;
export const clientLanguages = Object.keys(languages) as ClientLanguage[];

/**
 * The client of a language with its sample, built once for each document and sample.
 * @throws PrerequisiteMissing naming what this machine lacks; CommandFailed with what a generator or compiler said
 */
export async function ensureClient(name: ClientLanguage): Promise<BuiltClient> {
  const language: Language = languages[name];
  const tools = await language.tools();
  const inputs = filesBelow(join(samples, name), '').flatMap((file) => [relative(samples, file), readFileSync(file)]);
  const own = readFileSync(import.meta.filename);
  const dir = await cached(
    `client-of-${name}`,
    keyOf(tools, own, readFileSync(documentFile), ...inputs),
    async (draft) => {
      progress(`generating and compiling the client in ${name}`);
      cpSync(join(samples, name), draft, { recursive: true });
      copyFileSync(documentFile, join(draft, 'openapi.json'));
      await language.build(draft, tools);
    },
  );
  const command = language.command?.(dir, tools);
  return command === undefined ? { dir } : { dir, command };
}

/** All of them, two at a time. */
export async function ensureClients(): Promise<Record<ClientLanguage, BuiltClient>> {
  const built = {} as Record<ClientLanguage, BuiltClient>;
  const waiting: ClientLanguage[] = ['rust', ...clientLanguages.filter((name) => name !== 'rust')]; // the longest first
  const work = async () => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) built[name] = await ensureClient(name);
  };
  await Promise.all([work(), work()]);
  return built;
}
