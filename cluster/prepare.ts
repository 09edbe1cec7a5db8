import { createInterface } from 'node:readline';
import { ensureClients } from './clientTools.ts';
import { controlPlaneTools } from './controlPlane.ts';
import { ensureCommands } from './debian.ts';
import { ensureEarlierBuild, upgradedFrom } from './earlier.ts';
import { ensureImagePrerequisites, ensureImages } from './images.ts';
import { ensureNodePrerequisites, nodeTools } from './node.ts';
import { ensureOnecTools } from './onecTools.ts';
import { ensurePostgres } from './postgres.ts';
import { PrerequisiteMissing } from './prerequisite.ts';
import { ensureTools } from './tools.ts';

// Makes what the levels of tests need available, in the order given: `node cluster/prepare.ts onec clients db kube e2e`. One line of JSON a level
// on standard output; progress on standard error. A process of its own, so that it can be given a low priority.

export interface Prepared {
  readonly level: string;
  readonly ready: boolean;
  /** Why not, and what to do. */
  readonly reason?: string;
  /** The machine lacks something; else it is a fault, for example an image that does not build. */
  readonly prerequisite?: boolean;
}

const steps: Record<string, () => Promise<unknown>> = {
  onec: () => ensureOnecTools(),
  clients: async () => {
    await ensurePostgres();
    await ensureClients();
  },
  db: () => ensurePostgres(),
  kube: async () => {
    const purpose = 'to run a real Kubernetes API server';
    await ensureTools([...controlPlaneTools, 'kubectl', 'helm'], purpose);
    await ensureCommands({ openssl: 'openssl' }, 'to make the certificates of a test cluster');
  },
  e2e: async () => {
    await ensureNodePrerequisites();
    await ensureImagePrerequisites();
    const tools = [...nodeTools, 'pause', 'helm3', 'prometheus', 'promtool', 'alertmanager', 'lua'] as const;
    await ensureTools(tools, 'to run pods on a node');
    await ensureImages();
    await ensureEarlierBuild(upgradedFrom).catch(() => {}); // the test that needs it says what is wrong
  },
};

async function prepare(level: string): Promise<Prepared> {
  try {
    await steps[level]?.();
    return { level, ready: true };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { level, ready: false, reason, prerequisite: error instanceof PrerequisiteMissing };
  }
}

/** Reads the lines that this program writes. */
export async function* preparedLines(output: NodeJS.ReadableStream): AsyncGenerator<Prepared> {
  for await (const line of createInterface({ input: output })) yield JSON.parse(line) as Prepared;
}

if (import.meta.main) {
  for (const level of process.argv.slice(2)) console.log(JSON.stringify(await prepare(level)));
}
