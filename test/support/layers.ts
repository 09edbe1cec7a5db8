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
  /^server\/seats\/ledger\.ts$/,
  /^server\/keys\/decide\.ts$/,
  /^operator\/licenceServer\/decide\/(?!fleet)/,
  /^operator\/licenceServer\/(observe\/successors|preview\/preview|tell\/(status|conditions))\.ts$/,
  /^operator\/licenceServer\/build\//,
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
