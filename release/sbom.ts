import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../cluster/process.ts';
import { folderOf, type Part, repository } from './release.ts';

interface Bom {
  serialNumber?: string;
  metadata: { timestamp?: string; component: Record<string, unknown> };
  components: { purl?: string }[];
}

/** What npm writes (`npm sbom`), with what is otherwise at each run, its time and its number, made of the release itself. */
export function steady(bom: Bom, version: string, atSeconds: number): Bom {
  const { serialNumber: _, ...rest } = bom;
  const made = { ...rest, metadata: { ...bom.metadata, timestamp: new Date(atSeconds * 1_000).toISOString() } };
  made.metadata.component = { ...made.metadata.component, version };
  const hash = createHash('sha256').update(JSON.stringify(made)).digest('hex');
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-5${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  return { ...made, serialNumber: `urn:uuid:${uuid}` };
}

/** Every package that the programs are made of, as CycloneDX, read from the lock file. */
export const sbom: Part = async (release) => {
  const text = await run('npm', ['sbom', '--sbom-format', 'cyclonedx', '--omit', 'dev', '--package-lock-only'], {
    cwd: repository,
  });
  const bom = steady(JSON.parse(text) as Bom, release.version, release.atSeconds);
  const file = join(folderOf(release, 'sbom'), 'softonit-licence.cdx.json');
  writeFileSync(file, `${JSON.stringify(bom, undefined, 2)}\n`);
  return [
    {
      what: "the images' Debian packages in the SBOM",
      why: 'only what npm brings is listed; /var/lib/dpkg/status in the images of server and authority lists the others',
    },
  ];
};
