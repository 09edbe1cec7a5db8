import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cached, keyOf } from './cache.ts';
import { ensureCommands } from './debian.ts';
import { PrerequisiteMissing, progress } from './prerequisite.ts';
import { run } from './process.ts';

/** The tools of the community that read sources of 1C:Enterprise, of these versions and no others. */
const languageServer = {
  artifact: 'io.github.1c-syntax:bsl-language-server:0.28.5:jar:exec',
  sha256: 'b40bae1ab38635dbfbc325cd6949f3bf4829413df21450cb165c8bdadf0564c7',
};
/** With its libraries; the hash is of all jars, one after another in the order of their names. */
const mdclasses = {
  group: 'io.github.1c-syntax',
  artifact: 'mdclasses',
  version: '0.17.4',
  sha256: 'd49e347272363ab0ecb9629e374a09dfc65ed0a1e3cdc67d1a23109215828d7e',
};
const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.6.1';

export interface OnecTools {
  /** The jar of bsl-language-server. */
  readonly languageServer: string;
  /** A class path with mdclasses. */
  readonly classPath: string;
}

/**
 * Makes Java and the tools available: Java and Maven from Debian, the tools through Maven, once.
 * @throws PrerequisiteMissing naming what this machine lacks
 */
export async function ensureOnecTools(purpose = 'to read the extension for 1C:Enterprise'): Promise<OnecTools> {
  await ensureCommands({ javac: 'default-jdk-headless', java: 'default-jdk-headless' }, purpose);
  const version = Number(/version "(\d+)/.exec(await run('sh', ['-c', 'java -version 2>&1']))?.[1] ?? 0);
  if (version < 17) throw new PrerequisiteMissing('Java 17', purpose, `install it; this machine has Java ${version}`);
  const dir = await cached(
    'onec-tools',
    keyOf(JSON.stringify([languageServer, mdclasses, dependencyPlugin])),
    async (draft) => {
      await ensureCommands({ mvn: 'maven' }, purpose);
      progress('fetching bsl-language-server and mdclasses (115 MB, once)');
      const mvn = (...args: readonly string[]) => run('mvn', ['-q', '-B', ...args], { cwd: draft });
      await mvn(`${dependencyPlugin}:copy`, `-Dartifact=${languageServer.artifact}`, `-DoutputDirectory=${draft}`);
      const libraries = join(draft, 'mdclasses');
      mkdirSync(libraries);
      const { group, artifact, version: of } = mdclasses;
      writeFileSync(
        join(draft, 'pom.xml'),
        `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion><groupId>none</groupId><artifactId>none</artifactId><version>0</version>` +
          `<dependencies><dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${of}</version></dependency></dependencies></project>`,
      );
      await mvn(`${dependencyPlugin}:copy-dependencies`, `-DoutputDirectory=${libraries}`);
      checked('bsl-language-server', jarsIn(draft), languageServer.sha256);
      checked('mdclasses and its libraries', jarsIn(libraries), mdclasses.sha256);
    },
  );
  const libraries = join(dir, 'mdclasses');
  return { languageServer: jarsIn(dir)[0] ?? '', classPath: jarsIn(libraries).join(':') };
}

const jarsIn = (dir: string): string[] =>
  readdirSync(dir)
    .filter((name) => name.endsWith('.jar'))
    .sort()
    .map((name) => join(dir, name));

function checked(what: string, jars: readonly string[], sha256: string): void {
  const hash = createHash('sha256');
  for (const jar of jars) hash.update(readFileSync(jar));
  const found = hash.digest('hex');
  if (found !== sha256) throw new Error(`${what} is not what was pinned: its hash is ${found}`);
}
