import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Command, InvalidArgumentError } from 'commander';
import { earlierBundle, Unusable } from '../earlierBundle.ts';
import { childrenOf } from '../processUse.ts';
import { type Bundle, installBundle, type Ours, ourComputer } from './contestants.ts';

// `npm run bench:rest`: what a licence server and its PostgreSQL keep in memory when nobody asks them anything, as proportional shares;
// with --against beside an earlier commit's, both looked at in the same moment. docs/performance.md

const whole = (text: string): number => {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('must be a whole number');
  return value;
};
const options = new Command('bench:rest')
  .description('Memory of the licence server and its PostgreSQL at rest, as proportional shares.')
  .option('--against <ref>', 'the server of that commit as well')
  .option('--after <seconds>', 'how long after the start', whole, 60)
  .option('--parts', 'what each process has')
  .option('--no-build', 'takes the bundle in dist/server as it is')
  .parse()
  .opts<{ against?: string; after: number; parts?: boolean; build: boolean }>();

interface Shares {
  readonly server: number;
  readonly postgres: number;
  readonly parts: readonly string[];
}

/** KiB of a process's own share by kind, from what the kernel tells. */
function shareOf(pid: number): { total: number; anonymous: number; file: number; shared: number } {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { total: of('Pss'), anonymous: of('Pss_Anon'), file: of('Pss_File'), shared: of('Pss_Shmem') };
}

const titleOf = (pid: number): string =>
  readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').slice(0, 60).trim();

function sharesOf(who: Ours): Shares {
  const own = shareOf(who.pid);
  const others = [who.postgresPid, ...childrenOf(who.postgresPid)].map((pid) => ({ pid, ...shareOf(pid) }));
  const line = (name: string, share: ReturnType<typeof shareOf>) =>
    `${name.padEnd(62)} ${[share.total, share.anonymous, share.file, share.shared].map((k) => (k / 1024).toFixed(1).padStart(6)).join('')}`;
  return {
    server: own.total / 1024,
    postgres: others.reduce((sum, { total }) => sum + total, 0) / 1024,
    parts: [line('node', own), ...others.map((share) => line(titleOf(share.pid), share))],
  };
}

const say = (text: string) => process.stderr.write(`» ${text}\n`);
const dir = mkdtempSync(join(tmpdir(), 'bench-rest-'));
const running: Ours[] = [];
const cleanUps: (() => void)[] = [() => rmSync(dir, { recursive: true, force: true })];

/** With a Node of its own, as in an image of its own: its pages are nobody else's. */
async function start(name: 'ours' | 'earlier', bundle: Bundle): Promise<void> {
  const own = join(dir, name);
  mkdirSync(own, { recursive: true });
  const node = join(own, 'node');
  copyFileSync(process.execPath, node);
  const computer = await ourComputer(name, own, bundle, [], node);
  cleanUps.unshift(() => computer.remove());
  // the second start finds compiled code, as in an image
  const first = await computer.start();
  await first.stop();
  running.push(await computer.start());
}

try {
  say('building');
  await start('ours', installBundle(dir, options.build));
  if (options.against !== undefined) await start('earlier', await earlierBundle(options.against, 'server', say));
  say(`nothing for ${options.after} s`);
  await delay(options.after * 1000);
  const [ours, earlier] = running.map(sharesOf);
  if (ours === undefined) throw new Error('nobody was started');
  const row = (name: string, of: (shares: Shares) => number) => {
    const before =
      earlier === undefined ? '' : ` ${of(earlier).toFixed(1)} | ${(of(ours) / of(earlier)).toFixed(2)} × |`;
    return `| ${name} | ${of(ours).toFixed(1)} |${before}`;
  };
  process.stdout.write(
    [
      `| MiB, ${options.after} s after the start | ours |${earlier === undefined ? '' : ` ${options.against} | |`}`,
      earlier === undefined ? '|---|---|' : '|---|---|---|---|',
      row('server', (s) => s.server),
      row('PostgreSQL', (s) => s.postgres),
      row('together', (s) => s.server + s.postgres),
      ...(options.parts
        ? ['', 'process: all, anonymous, files, shared', ...ours.parts, '', ...(earlier?.parts ?? [])]
        : []),
      '',
    ].join('\n'),
  );
} catch (error) {
  if (!(error instanceof Unusable)) throw error;
  say(error.message);
  process.exitCode = 1;
} finally {
  for (const one of running) await one.stop().catch((error: unknown) => say(String(error)));
  for (const cleanUp of cleanUps) cleanUp();
}
