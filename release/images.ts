import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureImage, ociLayout, targets } from '../cluster/images.ts';
import { PrerequisiteMissing } from '../cluster/prerequisite.ts';
import { entriesOf, tarOf } from './archive.ts';
import { folderOf, type Left, type Part } from './release.ts';

/** The images as OCI archives, which `skopeo`, `podman load` and `ctr images import` take. */
export const images: Part = async (release) => {
  const left: Left[] = [
    {
      what: 'images for arm64',
      why: 'no base of that architecture can be had or run here; docker build --platform linux/arm64 where there is one',
    },
  ];
  for (const target of targets) {
    const scratch = mkdtempSync(join(tmpdir(), 'image-'));
    try {
      release.say(`image licence-${target}`);
      const layout = join(scratch, 'oci');
      await ociLayout(await ensureImage(target), layout, release.version);
      const file = join(folderOf(release, 'images'), `licence-${target}-${release.version}-amd64.tar`);
      writeFileSync(file, await tarOf(entriesOf(layout), release.atSeconds));
    } catch (error) {
      if (!(error instanceof PrerequisiteMissing)) throw error;
      left.push({ what: `image licence-${target}`, why: error.message });
    } finally {
      rmSync(scratch, { recursive: true, force: true });
    }
  }
  return left;
};
