import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cached, keyOf } from '../../cluster/cache.ts';
import { type Daemon, freePort, run, startDaemon } from '../../cluster/process.ts';
import { earlierBundle } from '../earlierBundle.ts';
import { imageFlags } from '../imageFlags.ts';
import { operatorNamespace } from './fixture.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const image = 'localhost/licence-server:dev';

/** `ours` runs the bundle, `source` the sources as they stand, `earlier` the bundle of another commit, `theirs` the yardstick written with controller-runtime. */
export const contestants = ['ours', 'source', 'earlier', 'theirs'] as const;
export type Contestant = (typeof contestants)[number];

/** What a contestant is started from. */
export interface Program {
  readonly path: string;
  /** Node's flags; none of a program that is not Node's. */
  readonly flags: readonly string[];
  /** The CRD that it was written for. */
  readonly crdFile: string;
}

export interface Launch {
  readonly contestant: Contestant;
  readonly kubeconfig: string;
  readonly workers: number;
  readonly logFile: string;
  /** Image of licence servers that name none; default that of the fleet. */
  readonly image?: string | undefined;
  /** Further settings, not of `theirs`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Directory for a CPU and a heap profile, if they are wanted (not of `theirs`). */
  readonly profile?: string | undefined;
}

/** A running operator: its process, and where its metrics are. */
export interface Running {
  readonly daemon: Daemon;
  readonly metricsUrl: string;
  readonly startedAt: number;
  readonly logFile: string;
}

/**
 * When `ours` said in its log that every LicenceServer was looked at once, in milliseconds since 1970; undefined: not yet.
 * Asking it for metrics would be work of its own, in the very seconds that are measured.
 */
export function firstPassAt({ logFile, startedAt }: Running): number | undefined {
  // A kept log may begin with an earlier run of the same name.
  return readFileSync(logFile, 'utf8')
    .split('\n')
    .filter((text) => text.includes('"every licence server was looked at"'))
    .map((line) => Date.parse(JSON.parse(line).time))
    .find((at) => at >= startedAt);
}

/**
 * What Node takes by itself under the memory limit of 512Mi that the chart sets; without a limit it would collect garbage as if
 * all of the machine were its own.
 */
const underLimit = '--max-old-space-size=256';
const asInImage = {
  NODE_ENV: 'production',
  MALLOC_ARENA_MAX: '1',
  NODE_COMPILE_CACHE: join(here('../../dist'), 'compile-cache'),
};
const crdFile = here('../../crds/licenceservers.yaml');

/**
 * What has to be there before `launch`: the bundle, the Go program. Answers at once when nothing has changed.
 * @param against the commit of `earlier`
 */
export async function build(contestant: Contestant, against: string, say: (step: string) => void): Promise<Program> {
  if (contestant === 'theirs') return { path: await buildPeer(), flags: [], crdFile };
  if (contestant === 'earlier') {
    const { main, options } = await earlierBundle(against, 'operator', say);
    return warmed({
      path: main,
      flags: [...options, underLimit],
      crdFile: join(dirname(main), 'crds/licenceservers.yaml'),
    });
  }
  const flags = [...imageFlags('operator'), underLimit];
  if (contestant === 'source') return { path: here('../../operator/main.ts'), flags, crdFile };
  const bundle = here('../../dist/operator/main.js');
  await run(process.execPath, [here('../../build.ts'), 'operator'], { cwd: here('../../') });
  if (!existsSync(bundle)) throw new Error(`the build left no ${bundle}`);
  return warmed({ path: bundle, flags, crdFile });
}

/** As in the image: what V8 compiled is kept beside the program. */
async function warmed(program: Program): Promise<Program> {
  await run(process.execPath, [...program.flags, program.path, '--help'], { env: asInImage });
  return program;
}

async function buildPeer(): Promise<string> {
  const module = here('controller-runtime');
  const sources = await run('sh', ['-c', 'cat go.mod go.sum *.go'], { cwd: module });
  const dir = await cached('controller-runtime-peer', keyOf(sources, process.arch), async (draft) => {
    const args = ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(draft, 'operator'), '.'];
    await run('go', args, { cwd: module, env: { CGO_ENABLED: '0', GOWORK: 'off', GOFLAGS: '-buildvcs=false' } });
  });
  return join(dir, 'operator');
}

/** Starts an operator; it may not be ready yet. */
export async function launch(program: Program, options: Launch): Promise<Running> {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const startedAt = Date.now();
  const daemon = await (options.contestant === 'theirs'
    ? startDaemon(
        'controller-runtime',
        program.path,
        [
          ...['--metrics-bind-address', address, '--namespace', operatorNamespace],
          ...['--server-image', options.image ?? image, '--workers', String(options.workers)],
        ],
        { logFile: options.logFile, env: { KUBECONFIG: options.kubeconfig } },
      )
    : startDaemon(
        'operator',
        process.execPath,
        [
          ...program.flags,
          ...['--import', pathToFileURL(here('clusterNames.mjs')).href],
          ...(options.profile === undefined
            ? []
            : ['--cpu-prof', '--cpu-prof-dir', options.profile, '--heap-prof', '--heap-prof-dir', options.profile]),
          program.path,
        ],
        {
          logFile: options.logFile,
          env: {
            ...asInImage,
            KUBECONFIG: options.kubeconfig,
            OPERATOR_LISTEN: address,
            OPERATOR_NAMESPACE: operatorNamespace,
            OPERATOR_SERVER_IMAGE: options.image ?? image,
            OPERATOR_WORKERS: String(options.workers),
            OPERATOR_SERVER_ADDRESS: 'service',
            ...options.env,
          },
        },
      ));
  return { daemon, metricsUrl: `http://${address}/metrics`, startedAt, logFile: options.logFile };
}

/** What an operator's metrics tell, under the names that controller-runtime gave them. */
export interface Reading {
  readonly reconciles: number;
  readonly failures: number;
  readonly queued: number;
  readonly active: number;
  readonly leads: boolean;
}

/** @throws while it does not answer */
export async function readMetrics(url: string): Promise<Reading> {
  const answer = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const sums = new Map<string, number>();
  for (const line of (await answer.text()).split('\n')) {
    const [, name, labels = '', value] = /^([a-z_]+)(\{.*\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) continue;
    sums.set(name, (sums.get(name) ?? 0) + Number(value));
    if (name === 'controller_runtime_reconcile_total' && labels.includes('result="error"')) {
      sums.set('failures', (sums.get('failures') ?? 0) + Number(value));
    }
  }
  const sum = (name: string) => sums.get(name) ?? 0;
  return {
    reconciles: sum('controller_runtime_reconcile_total'),
    failures: sum('failures'),
    queued: sum('workqueue_depth'),
    active: sum('controller_runtime_active_workers'),
    leads: sum('leader_election_master_status') > 0,
  };
}
