import { posix } from 'node:path';
import type { Source } from './sources.ts';

/** The architecture: who may import whom. A folder that no row names may not be imported across layers at all. */
interface Layer {
  /** Path prefix of the files in it; the longest prefix that fits wins. */
  readonly folder: string;
  /** Folders it may import besides itself. */
  readonly may: readonly string[];
  /** Packages it may import; absent: any that package.json has. */
  readonly packages?: readonly string[];
}

export const layers: readonly Layer[] = [
  { folder: 'licence/', may: [], packages: ['node:crypto'] },
  { folder: 'runtime/', may: [] },
  { folder: 'operator/kube/', may: ['runtime/'] },
  { folder: 'operator/licenceServer/', may: ['operator/kube/', 'licence/', 'runtime/'] },
  { folder: 'operator/', may: ['operator/kube/', 'operator/licenceServer/', 'licence/', 'runtime/'] },
  { folder: 'server/', may: ['licence/', 'runtime/'] },
  { folder: 'authority/', may: ['licence/', 'runtime/'] },
  { folder: 'cli/kubectl/', may: ['operator/kube/', 'operator/licenceServer/', 'operator/', 'licence/', 'runtime/'] },
  { folder: 'cli/', may: ['client/', 'licence/', 'runtime/'] },
  { folder: 'client/', may: ['licence/'] },
  { folder: 'cluster/', may: ['runtime/'] },
  { folder: 'web/', may: ['licence/'] },
];

/** Files that only compute: the same input gives the same answer, whenever and wherever they run. */
export const pureFiles: readonly RegExp[] = [
  /^licence\//,
  /^runtime\/cron\//,
  /^server\/seats\/(admission|answerAtOnce|fitReservations|ledger|ledger\/(borrow|report|stale)|explain\/(checks|expectFree|foresee)|simulate\/(fifo|play|world))\.ts$/,
  /^server\/keys\/decide\.ts$/,
  /^operator\/licenceServer\/(pod|decide|build)\//,
  /^operator\/licenceServer\/observe\/(claimHolder|claimView|deploymentView|keysCopy|keySources|noPod|successors)\.ts$/,
  /^operator\/licenceServer\/(preview\/preview|tell\/(conditions|events|failedPass|status|waits))\.ts$/,
];

const impurities: readonly [RegExp, string][] = [
  [/\bawait\b/, 'await'],
  [/\bDate\.now\b/, 'Date.now'],
  [/\bnew Date\(\s*\)/, 'new Date()'],
  [/\bprocess\./, 'process.'],
  [/\bfetch\(/, 'fetch'],
  [/\bset(Timeout|Interval|Immediate)\b/, 'timers'],
  [/\bMath\.random\b/, 'Math.random'],
  [/\brandom(Bytes|UUID)\(/, 'randomness'],
];

const importLine =
  /^\s*(?:import|export)\b[^'"]*?from\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]\s*\)/gm;
const withoutComments = (text: string) =>
  text.replace(/\/\*[\s\S]*?\*\//g, (c) => c.replace(/[^\n]/g, ' ')).replace(/(^|[^:'"`])\/\/.*$/gm, '$1');

const layerOf = (path: string): Layer | undefined =>
  layers.filter((l) => path.startsWith(l.folder)).sort((a, b) => b.folder.length - a.folder.length)[0];

/** Every import that the table does not allow, one sentence each. */
export function importViolations(sources: readonly Source[]): string[] {
  const found: string[] = [];
  for (const { path, text } of sources) {
    const layer = layerOf(path);
    if (layer === undefined) continue;
    for (const match of withoutComments(text).matchAll(importLine)) {
      const target = match[1] ?? match[2] ?? match[3] ?? '';
      if (target.startsWith('.')) {
        const file = posix.normalize(posix.join(posix.dirname(path), target));
        if (file === 'package.json') continue; // a program says its version
        const into = layerOf(file);
        if (into === layer) continue;
        if (into === undefined || !layer.may.includes(into.folder)) found.push(`${path} may not import ${file}`);
      } else if (layer.packages !== undefined && !layer.packages.includes(target)) {
        found.push(`${path} may not import ${target}`);
      }
    }
  }
  return found;
}

/** Every impure word in a pure file. */
export function purityViolations(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path }) => pureFiles.some((p) => p.test(path)))
    .flatMap(({ path, text }) =>
      impurities.filter(([word]) => word.test(withoutComments(text))).map(([, name]) => `${path} uses ${name}`),
    );
}

/** The mechanics are general: the domain's word must not stand in them, not even in a comment. */
export function wordViolations(sources: readonly Source[]): string[] {
  return sources
    .filter(({ path, text }) => path.startsWith('operator/kube/') && /licen[cs]e/i.test(text))
    .map(({ path }) => `${path} says "licence"`);
}

/** Which files of the tree each file imports, as types or not. */
function importsOf(sources: readonly Source[]): ReadonlyMap<string, readonly string[]> {
  const known = new Set(sources.map(({ path }) => path));
  return new Map(
    sources.map(({ path, text }) => {
      const targets = [...withoutComments(text).matchAll(importLine)].map((match) => match[1] ?? match[2] ?? '');
      const files = targets
        .filter((t) => t.startsWith('.'))
        .map((t) => posix.normalize(posix.join(posix.dirname(path), t)));
      return [path, files.filter((file) => known.has(file))];
    }),
  );
}

/** Circles of files that import each other: each as the files in it, sorted. None is wanted: who is in one cannot be read alone. */
export function circles(sources: readonly Source[]): string[][] {
  const imports = importsOf(sources);
  const reaches = (from: string): Set<string> => {
    const seen = new Set<string>();
    const next = [...(imports.get(from) ?? [])];
    for (let file = next.pop(); file !== undefined; file = next.pop()) {
      if (seen.has(file)) continue;
      seen.add(file);
      next.push(...(imports.get(file) ?? []));
    }
    return seen;
  };
  const reached = new Map([...imports.keys()].map((path) => [path, reaches(path)]));
  const found = new Map<string, string[]>();
  for (const [path, files] of reached) {
    if (!files.has(path)) continue;
    const circle = [...files].filter((other) => reached.get(other)?.has(path)).sort();
    found.set(circle.join(), circle);
  }
  return [...found.values()];
}

/**
 * The rooms of a LicenceServer: its words, what a pod of it is made of, and then the steps of a reconcile in their order. What
 * a pod is made of comes before the steps, since each needs it: to see what runs, to decide what would roll, to build it.
 */
export const rooms: readonly string[] = ['api', 'pod', 'observe', 'decide', 'build', 'act', 'tell', 'preview'];
const roomOf = (path: string): number => {
  const name = /^operator\/licenceServer\/(\w+)\//.exec(path)?.[1];
  return name === undefined ? -1 : rooms.indexOf(name);
};

/** Imports of a room from one that comes later, one sentence each. */
export function roomViolations(sources: readonly Source[]): string[] {
  return [...importsOf(sources)].flatMap(([path, files]) =>
    files
      .filter((file) => roomOf(path) >= 0 && roomOf(file) > roomOf(path))
      .map((file) => `${path} comes before ${file}`),
  );
}
