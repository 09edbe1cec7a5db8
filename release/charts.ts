import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { run } from '../cluster/process.ts';
import { ensureTools } from '../cluster/tools.ts';
import { readTgz, writeTgz } from './archive.ts';
import { changesOf } from './changelog.ts';
import { folderOf, type Part, type Release, repository } from './release.ts';

export const chartNames = ['licence-operator', 'licence-authority'] as const;
const imagesOf = {
  'licence-operator': ['licence-operator', 'licence-server'],
  'licence-authority': ['licence-authority'],
} as const;

/** What Artifact Hub shows of a chart, beside what Chart.yaml says by itself. */
export function artifactHub(chart: (typeof chartNames)[number], { version, downloads }: Release, changes: string) {
  const added = changes.split(/^### /m).find((section) => section.startsWith('Added')) ?? '';
  const first = [...added.matchAll(/^- ([\s\S]*?)(?=\n- |\n*$(?![\s\S]))/gm)].map(([, text = '']) =>
    text.replaceAll(/\s+/g, ' ').replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1'),
  );
  const list = (lines: readonly string[]) => `${lines.join('\n')}\n`;
  return {
    'artifacthub.io/prerelease': String(/-|^0\./.test(version)),
    'artifacthub.io/images': list(
      imagesOf[chart].flatMap((image) => [`- name: ${image}`, `  image: softonit/${image}:${version}`]),
    ),
    'artifacthub.io/changes': list(
      first.slice(0, 20).flatMap((text) => ['- kind: added', `  description: ${JSON.stringify(text)}`]),
    ),
    'artifacthub.io/links': list(['- name: files of the release', `  url: ${downloads}`]),
  };
}

/** Both charts, packaged by Helm, with the release's version; then packed anew, since Helm writes the time of the day into them. */
export const charts: Part = async (release) => {
  const { version, atSeconds } = release;
  const { helm } = await ensureTools(['helm'], 'to package the charts');
  const to = folderOf(release, 'charts');
  const changes = changesOf(readFileSync(join(repository, 'CHANGELOG.md'), 'utf8'), version);
  for (const chart of chartNames) {
    const scratch = mkdtempSync(join(tmpdir(), 'chart-'));
    try {
      const copy = join(scratch, chart);
      cpSync(join(repository, 'charts', chart), copy, { recursive: true });
      const file = join(copy, 'Chart.yaml');
      const document = parseDocument(readFileSync(file, 'utf8'));
      for (const [name, text] of Object.entries(artifactHub(chart, release, changes))) {
        document.setIn(['annotations', name], text);
      }
      writeFileSync(file, document.toString({ lineWidth: 0 }));
      await run(helm, ['package', copy, '--version', version, '--app-version', version, '-d', scratch]);
      const packed = readdirSync(scratch).find((name) => name.endsWith('.tgz')) ?? '';
      await writeTgz(join(to, packed), await readTgz(join(scratch, packed)), atSeconds);
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  writeFileSync(
    join(to, 'artifacthub-repo.yml'),
    '# Beside index.yaml of the Helm repository: Artifact Hub knows its owners by it.\nowners: []\n',
  );
  return [];
};
