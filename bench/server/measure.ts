import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { cpuMs, familyCpuMs, familyPssMib, rssMib } from '../processUse.ts';
import { type Case, expectedStatus } from './cases.ts';
import type { Contestant } from './contestants.ts';
import type { LoadJob, LoadResult } from './load.ts';

/** One contestant in one round of one case. */
export interface Measured extends LoadResult {
  /** Processor time a request, in µs: of the server, and of its PostgreSQL. */
  readonly serverUs: number;
  readonly postgresUs: number;
  /** Most memory seen meanwhile, MiB. */
  readonly serverRssMib: number;
  readonly postgresPssMib: number;
  /** Share of answers that are not the expected one; 1 where there is none. */
  readonly faults: number;
}

/** Runs the load generator to its end. */
export async function runLoad(job: LoadJob): Promise<LoadResult> {
  const args = [join(import.meta.dirname, 'load.ts'), JSON.stringify(job)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 20 });
  return JSON.parse(stdout) as LoadResult;
}

/** Looks at the memory of a contestant and its PostgreSQL once a second; answers the most that was seen. */
export function watchMemory(who: Contestant): () => { serverRssMib: number; postgresPssMib: number } {
  const most = { serverRssMib: 0, postgresPssMib: 0 };
  const look = () => {
    most.serverRssMib = Math.max(most.serverRssMib, rssMib(who.pid));
    if (who.postgresPid !== undefined) {
      most.postgresPssMib = Math.max(most.postgresPssMib, familyPssMib(who.postgresPid));
    }
  };
  const timer = setInterval(look, 1_000);
  return () => {
    clearInterval(timer);
    look();
    return most;
  };
}

const kindFor = (who: Contestant, c: Case): LoadJob['kind'] => {
  if (who.name !== 'keygen-relay') return c.kind;
  return c.kind === 'heartbeat' ? 'relayHeartbeat' : 'relayCheckout';
};

/** A first heartbeat of every lease: what is measured are all the later ones. */
async function renewAll(who: Contestant, leaseFile: string): Promise<void> {
  const leaseIds = readFileSync(leaseFile, 'utf8').trim().split('\n');
  const headers = { authorization: `Bearer ${who.token}`, 'content-type': 'application/json' };
  for (let from = 0; from < leaseIds.length; from += 500) {
    const body = JSON.stringify({ leaseIds: leaseIds.slice(from, from + 500) });
    const answer = await fetch(`http://127.0.0.1:${who.port}/v1/heartbeats`, { method: 'POST', headers, body });
    await answer.text();
  }
}

/** One contestant in one case; the others are idle meanwhile. `leaseFile`: for one that keeps no seats. */
export async function measure(who: Contestant, c: Case, seconds: number, leaseFile: string): Promise<Measured> {
  const keeps = ['heartbeat', 'heartbeats', 'denial', 'explain'].includes(c.kind);
  const filled = await who.fixture?.fill(c.leases, c.full === true, keeps);
  if (c.commitMs !== undefined) await who.fixture?.slowCommits(c.commitMs);
  await delay(100);
  const kind = kindFor(who, c);
  if (kind === 'heartbeat' && filled !== undefined && who.name !== 'design A') await renewAll(who, filled);
  const before = { server: cpuMs(who.pid), postgres: familyCpuMs(who.postgresPid ?? who.pid) };
  const memory = watchMemory(who);
  const result = await runLoad({
    port: who.port,
    token: who.token,
    kind,
    connections: c.connections,
    seconds,
    leaseFile: filled ?? who.leaseFile ?? leaseFile,
    items: c.items ?? 1,
    spelled: c.spelled === true,
  });
  const seen = memory();
  const serverUs = ((cpuMs(who.pid) - before.server) * 1000) / result.requests;
  const postgresUs = ((familyCpuMs(who.postgresPid ?? who.pid) - before.postgres) * 1000) / result.requests;
  if (c.commitMs !== undefined) await who.fixture?.slowCommits(0);
  const answers = Object.entries(result.statuses);
  const all = answers.reduce((sum, [, n]) => sum + n, 0);
  const good = answers.reduce((sum, [status, n]) => sum + (expectedStatus[kind].includes(status) ? n : 0), 0);
  return {
    ...result,
    serverUs,
    postgresUs: who.postgresPid === undefined ? 0 : postgresUs,
    ...seen,
    faults: who.name === 'bare' ? 0 : 1 - good / Math.max(all, 1),
  };
}
