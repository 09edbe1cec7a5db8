import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { Command } from 'commander';
import { build } from 'esbuild';
import { parse, parseAllDocuments } from 'yaml';

// `npm run crds:readers [-- --only NAMES]`: typed code that the usual generators, in pinned versions, make of the CRD reads the samples and gives back
// what it read; also a status of a later operator, with a word that is none today. It needs the network and the languages, so it is no part of the tests.

type Json = Readonly<Record<string, unknown>>;

const here = import.meta.dirname;
const crd = join(here, 'licenceservers.yaml');
const [version] = parse(readFileSync(crd, 'utf8')).spec.versions;

const isServer = (document: unknown) => (document as Json | null)?.kind === 'LicenceServer';
const samples = new Map<string, Json>(
  readdirSync(join(here, 'samples')).map((file) => {
    const documents = parseAllDocuments(readFileSync(join(here, 'samples', file), 'utf8'));
    return [file.replace('.yaml', '.json'), documents.map((document) => document.toJS()).find(isServer)];
  }),
);
const condition = { type: 'Ready', status: 'False', reason: 'Asleep', message: 'It sleeps.' };
samples.set('next-year.json', {
  ...samples.get('minimal.json'),
  status: {
    keys: [{ name: 'erp', state: 'Asleep' }],
    conditions: [{ ...condition, lastTransitionTime: '2027-01-01T00:00:00Z' }],
  },
});

interface Reader {
  readonly name: string;
  readonly version: string;
  /** No status in its types. */
  readonly specOnly?: boolean;
  /** Reads `samples/*.json` in `dir` by typed code that is made there of `crd.yaml`, and writes what it read to `read/*.json`. */
  read(dir: string): Promise<void> | void;
}

const run = (dir: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd: dir, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 26 }).toString();
const install = (dir: string, packages: Readonly<Record<string, string>>): void => {
  const named = Object.entries(packages).map(([name, of]) => `${name}@${of}`);
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}');
  run(dir, 'npm', 'install', '--no-audit', '--no-fund', ...named);
};
/** Type-checks a program, bundles it and runs it. */
const runTypeScript = async (dir: string, program: string): Promise<void> => {
  writeFileSync(join(dir, 'main.ts'), program);
  const tsc = join(here, '../node_modules/.bin/tsc');
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'esnext', '--target', 'es2022'];
  run(dir, tsc, '--ignoreConfig', ...options, '--moduleResolution', 'bundler', 'main.ts');
  await build({
    ...{ absWorkingDir: dir, entryPoints: ['main.ts'], outfile: 'main.cjs', bundle: true, platform: 'node' },
    ...{ format: 'cjs', logLevel: 'error' },
  });
  const read = JSON.parse(run(dir, process.execPath, 'main.cjs')) as Readonly<Record<string, Json>>;
  for (const [name, sample] of Object.entries(read)) writeFileSync(join(dir, 'read', name), JSON.stringify(sample));
};
/** The samples as members of a literal, so that the compiler holds each member against the types. */
const literal = (of: (sample: Json) => Json, wrap: (text: string) => string): string =>
  [...samples].map(([name, sample]) => `${JSON.stringify(name)}: ${wrap(JSON.stringify(of(sample)))}`).join(',\n');

const fabric8 = '7.5.2';
const readers: readonly Reader[] = [
  {
    ...{ name: 'cdk8s', version: '2.207.60', specOnly: true },
    async read(dir) {
      install(dir, { 'cdk8s-cli': this.version, cdk8s: '2.70.106', constructs: '10.8.1' });
      run(dir, 'npx', 'cdk8s', 'import', 'crd.yaml', '--language', 'typescript', '--output', 'made');
      const enumerations = [
        ...new Set(
          [...readFileSync(join(dir, 'made/licensing.softonit.ru.ts'), 'utf8').matchAll(/^export enum (\w+)/gm)].map(
            (m) => m[1],
          ),
        ),
      ];
      // its enumerations want their own names where a manifest has the words: the compiler is asked about all else
      const words = enumerations.length === 0 ? 'never' : enumerations.map((name) => `made.${name}`).join(' | ');
      const asked = literal(
        ({ metadata, spec }) => ({ metadata, spec }),
        (text) =>
          `made.LicenceServer.manifest(${text} satisfies Words<made.LicenceServerProps> as made.LicenceServerProps)`,
      );
      await runTypeScript(
        dir,
        `import * as made from './made/licensing.softonit.ru';
type Enumeration = ${words};
type Words<T> = T extends Enumeration ? \`\${T}\` : T extends object ? { [K in keyof T]: Words<T[K]> } : T;
console.log(JSON.stringify({\n${asked.replaceAll(' as made.', ' as unknown as made.')}\n}));`,
      );
    },
  },
  {
    ...{ name: 'kubernetes-models', version: '5.1.0' },
    async read(dir) {
      install(dir, {
        '@kubernetes-models/crd-generate': this.version,
        '@kubernetes-models/base': '6.0.1',
        '@kubernetes-models/apimachinery': '3.0.2',
        '@kubernetes-models/validate': '5.0.2',
      });
      run(dir, 'npx', 'crd-generate', '--input', 'crd.yaml', '--output', 'made');
      const asked = literal(
        (sample) => sample,
        (text) => `read(${text})`,
      );
      await runTypeScript(
        dir,
        `import { LicenceServer, type ILicenceServer } from './made/licensing.softonit.ru/v1beta1/LicenceServer';
const read = (server: ILicenceServer) => {
  const model = new LicenceServer(server);
  model.validate();
  return model.toJSON();
};
console.log(JSON.stringify({\n${asked}\n}));`,
      );
    },
  },
  {
    ...{ name: 'Java (fabric8)', version: fabric8 },
    read(dir) {
      const of = (artifact: string) =>
        `<groupId>io.fabric8</groupId><artifactId>${artifact}</artifactId><version>${fabric8}</version>`;
      writeFileSync(
        join(dir, 'pom.xml'),
        `<project xmlns="http://maven.apache.org/POM/4.0.0">
<modelVersion>4.0.0</modelVersion><groupId>crd</groupId><artifactId>reader</artifactId><version>1</version>
<properties><maven.compiler.source>17</maven.compiler.source><maven.compiler.target>17</maven.compiler.target><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
<dependencies><dependency>${of('kubernetes-client-api')}</dependency><dependency>${of('generator-annotations')}</dependency></dependencies>
<build><plugins><plugin>${of('java-generator-maven-plugin')}
<executions><execution><goals><goal>generate</goal></goals></execution></executions>
<configuration><source>crd.yaml</source></configuration></plugin></plugins></build>
</project>`,
      );
      const sources = join(dir, 'src/main/java/crd');
      mkdirSync(sources, { recursive: true });
      writeFileSync(
        join(sources, 'Read.java'),
        `package crd;
import io.fabric8.kubernetes.client.utils.KubernetesSerialization;
import java.nio.file.*;
import ru.softonit.licensing.v1beta1.LicenceServer;
class Read {
  public static void main(String[] names) throws Exception {
    var json = new KubernetesSerialization();
    for (String name : names) {
      var server = json.unmarshal(Files.readString(Path.of("samples", name)), LicenceServer.class);
      Files.writeString(Path.of("read", name), json.asJson(server));
    }
  }
}`,
      );
      const classPath = 'org.apache.maven.plugins:maven-dependency-plugin:3.9.0:build-classpath';
      run(dir, 'mvn', '-q', '-B', 'compile', classPath, '-Dmdep.outputFile=classpath');
      const jars = readFileSync(join(dir, 'classpath'), 'utf8');
      run(dir, 'java', '-cp', `target/classes:${jars}`, 'crd.Read', ...samples.keys());
    },
  },
  {
    ...{ name: 'kopium', version: '0.24.1' },
    read(dir) {
      run(dir, 'cargo', 'install', '--quiet', '--locked', '--root', '.', `kopium@${this.version}`);
      const made = run(dir, 'bin/kopium', '--filename', 'crd.yaml', '--schema', 'disabled', '--docs');
      mkdirSync(join(dir, 'src'));
      writeFileSync(join(dir, 'src/made.rs'), made);
      writeFileSync(
        join(dir, 'src/main.rs'),
        `mod made;
fn main() {
    for name in std::env::args().skip(1) {
        let text = std::fs::read_to_string(format!("samples/{name}")).unwrap();
        let server: made::LicenceServer = serde_json::from_str(&text).unwrap();
        std::fs::write(format!("read/{name}"), serde_json::to_string(&server).unwrap()).unwrap();
    }
}`,
      );
      writeFileSync(
        join(dir, 'Cargo.toml'),
        `[package]
name = "reader"
version = "1.0.0"
edition = "2024"
[dependencies]
kube = { version = "=4.0.0", default-features = false, features = ["derive"] }
k8s-openapi = { version = "=0.28.0", features = ["v1_34"] }
serde = { version = "1", features = ["derive"] }
serde_json = "1"
`,
      );
      run(dir, 'cargo', 'run', '--quiet', '--', ...samples.keys());
    },
  },
  {
    ...{ name: 'kubeconform', version: '0.7.0' },
    read(dir) {
      execFileSync('go', ['install', `github.com/yannh/kubeconform/cmd/kubeconform@v${this.version}`], {
        env: { ...process.env, GOBIN: dir },
        stdio: 'pipe',
      });
      writeFileSync(join(dir, 'licenceserver.json'), JSON.stringify(closed(version.schema.openAPIV3Schema)));
      const check = (file: string) =>
        run(dir, './kubeconform', '-strict', '-schema-location', 'licenceserver.json', file);
      const misspelt = { ...samples.get('minimal.json'), spce: {} };
      writeFileSync(join(dir, 'misspelt.json'), JSON.stringify(misspelt));
      let isTaken = true;
      try {
        check('misspelt.json');
      } catch {
        isTaken = false;
      }
      if (isTaken) throw new Error('it takes a member that is none');
      for (const name of samples.keys()) {
        check(join('samples', name));
        cpSync(join(dir, 'samples', name), join(dir, 'read', name));
      }
    },
  },
];

/** The CRD's schema as its users convert it (openapi2jsonschema): objects have no other members, and a number may be a text where the CRD says so. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== 'object' || schema === null) return schema;
  const members = Object.entries(schema).map(([name, value]) => [name, closed(value)]);
  const all = Object.fromEntries(members) as Json;
  if (all['x-kubernetes-int-or-string'] === true) return { oneOf: [{ type: 'string' }, { type: 'integer' }] };
  const isClosed =
    typeof all.properties === 'object' && !('type' in (all.properties as Json) && all.type === undefined);
  const isOpen = all['x-kubernetes-preserve-unknown-fields'] === true || 'additionalProperties' in all;
  return isClosed && all.type === 'object' && !isOpen ? { ...all, additionalProperties: false } : all;
}

/** Members that have no value say nothing, and a moment is one however it is written. */
const plain = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'string' && /^\d{4}-\d\d-\d\dT/.test(value)) return new Date(value).toISOString();
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).map(([name, each]) => [name, plain(each)] as const);
  return Object.fromEntries(members.filter(([, each]) => each !== null && each !== undefined));
};

interface Schema {
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}
/** With the defaults of the CRD, as the API server fills them in: some typed code does so, too. */
const defaulted = (value: unknown, schema: Schema | undefined): unknown => {
  if (Array.isArray(value)) return value.map((each) => defaulted(each, schema?.items));
  if (typeof value !== 'object' || value === null || schema?.properties === undefined) return value;
  const filled: Record<string, unknown> = { ...value };
  for (const [name, member] of Object.entries(schema.properties)) {
    const given = filled[name] ?? member.default;
    if (given !== undefined) filled[name] = defaulted(given, member);
  }
  return filled;
};
const meaning = (server: unknown) => defaulted(plain(server), version.schema.openAPIV3Schema);

const names = readers.map(({ name }) => name);
const { only } = new Command('crds:readers')
  .description('Which generators make typed code of the CRD that reads the samples.')
  .option('--only <names>', `of ${names.join(', ')}`, (text) => text.split(','), names)
  .parse()
  .opts<{ only: string[] }>();

let faults = 0;
process.stdout.write(`| Generator | ${[...samples.keys()].map((name) => name.replace('.json', '')).join(' | ')} |\n`);
process.stdout.write(`|---${'|---'.repeat(samples.size)}|\n`);
for (const reader of readers.filter(({ name }) => only.includes(name))) {
  const dir = mkdtempSync(join(tmpdir(), 'crd-'));
  try {
    cpSync(crd, join(dir, 'crd.yaml'));
    for (const folder of ['samples', 'read']) mkdirSync(join(dir, folder));
    for (const [name, sample] of samples) writeFileSync(join(dir, 'samples', name), JSON.stringify(sample));
    let fault: unknown;
    try {
      await reader.read(dir);
    } catch (error) {
      const { stderr, stdout } = error as { stderr?: Buffer; stdout?: Buffer };
      process.stderr.write(`${reader.name}: ${error}\n${stdout ?? ''}${stderr ?? ''}\n`);
      fault = error;
    }
    const cells = [...samples].map(([name, sample]) => {
      if (fault !== undefined) return 'no';
      if (reader.specOnly === true && sample.status !== undefined) return 'no status';
      const read = JSON.parse(readFileSync(join(dir, 'read', name), 'utf8')) as unknown;
      if (isDeepStrictEqual(meaning(read), meaning(sample))) return 'yes';
      process.stderr.write(`${reader.name}: ${name}: read ${JSON.stringify(read)}\n`);
      return 'changed';
    });
    faults += cells.filter((cell) => cell === 'no' || cell === 'changed').length;
    process.stdout.write(`| ${reader.name} ${reader.version} | ${cells.join(' | ')} |\n`);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
process.exitCode = faults === 0 ? 0 : 1;
