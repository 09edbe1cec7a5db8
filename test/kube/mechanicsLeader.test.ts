import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { auditPosition, readAudit, writeVerbs } from '../../cluster/auditLog.ts';
import { userKubeconfig } from '../../cluster/kubeconfig.ts';
import { type FaultProxy, startFaultProxy } from '../support/faultProxy.ts';
import { createMechanicsWorld, type MechanicsWorld } from '../support/mechanicsWorld.ts';

/** A process of its own behind a proxy of its own, so that each can be cut off, stopped and killed alone. */
interface Writer {
  readonly identity: string;
  readonly proxy: FaultProxy;
  readonly process: ChildProcess;
  /** What it printed. */
  readonly lines: string[];
}

let world: MechanicsWorld;
let writers: Writer[];
/** Who wrote, in the order in which the API server took it: from the versions of the object. */
let written: { readonly by: string; readonly at: number }[];
beforeEach(async () => {
  world = await createMechanicsWorld();
  writers = [];
  written = [];
  const { store } = world.follow({
    client: world.others,
    labelSelector: undefined,
    fieldSelector: 'metadata.name=written',
  });
  const note = (o: { readonly [field: string]: unknown }) =>
    written.push({ by: (o.data as { writer: string }).writer, at: performance.now() });
  store.onChange({ add: note, update: (_, after) => note(after) });
});
afterEach(async () => {
  for (const writer of [...writers]) await end(writer);
  await world[Symbol.asyncDispose]();
});

async function end(writer: Writer): Promise<void> {
  const { process, proxy } = writer;
  if (process.exitCode === null && process.signalCode === null) {
    process.kill('SIGKILL');
    await once(process, 'exit');
  }
  await proxy[Symbol.asyncDispose]();
  writers = writers.filter((other) => other !== writer);
}

const program = fileURLToPath(new URL('../support/electedWriter.ts', import.meta.url));
/** Lease duration, renew deadline and retry period, a fifth of the usual ones. */
const short = [3_000, 2_000, 400];
const usual = [15_000, 10_000, 2_000];

async function start(
  identity: string,
  times: readonly number[],
  skewMs = 0,
  kubeconfig: string = inject('kubeconfig'),
  pauseMs = 0,
): Promise<Writer> {
  const proxy = await startFaultProxy(kubeconfig);
  const args = [program, proxy.kubeconfig, world.namespace, identity, ...[...times, skewMs, pauseMs].map(String)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const writer = { identity, proxy, process: child, lines };
  writers.push(writer);
  await expect.poll(() => lines[0], { timeout: 60_000 }).toBe('ready');
  return writer;
}
const writes = (identity: string) => written.filter(({ by }) => by === identity).length;
const leads = (writer: Writer, timeout = 25_000) =>
  expect.poll(() => writer.lines.at(-1), { timeout, interval: 20 }).toBe('leading');
/** How often the writer changed from one to the other: twice back and forth would be an interleaving. */
const turns = () => written.map((w) => w.by).filter((by, i, all) => by !== all[i - 1]);

async function pair(times: readonly number[] = short, skewMs = 0): Promise<[Writer, Writer]> {
  const a = await start('a', times, skewMs);
  await leads(a);
  const b = await start('b', times);
  await expect.poll(() => writes('a')).toBeGreaterThan(20);
  return [a, b];
}

describe('of two processes', { timeout: 120_000 }, () => {
  it('only the leader writes, and the other within three seconds after it exits', async () => {
    const [a, b] = await pair(usual);
    expect(b.proxy.requests.some((r) => r.url.pathname.endsWith('/configmaps/written'))).toBe(false);
    const from = performance.now();
    a.process.kill('SIGTERM');
    await leads(b);
    expect(performance.now() - from).toBeLessThan(3_000);
    await expect.poll(() => writes('b')).toBeGreaterThan(0);
    expect(a.lines.at(-1)).toBe('over released');
    expect(turns()).toEqual(['a', 'b']);
  });

  it('the second takes over within 20 s when the leader is killed', async () => {
    const [a, b] = await pair(usual);
    const from = performance.now();
    a.process.kill('SIGKILL');
    await leads(b);
    expect(performance.now() - from).toBeLessThan(20_000);
    expect(turns()).toEqual(['a', 'b'].slice(0, turns().length));
  });

  it('a leader that was stopped and goes on writes nothing after the other took over', async () => {
    const [a, b] = await pair();
    a.process.kill('SIGSTOP');
    await leads(b);
    await expect.poll(() => writes('b')).toBeGreaterThan(20);
    a.process.kill('SIGCONT');
    await expect.poll(() => a.lines, { timeout: 10_000 }).toContain('over lost');
    const more = writes('b') + 50;
    await expect.poll(() => writes('b'), { timeout: 10_000 }).toBeGreaterThan(more);
    expect(turns()).toEqual(['a', 'b']);
  });

  it('a leader that no answer reaches any more stops before the other begins', async () => {
    const [a, b] = await pair();
    // Its writes get through, its renewals do not: the case in which only its own clock can stop it.
    a.proxy.fault = ({ url }) => (url.pathname.includes('/leases/') ? { hang: true } : undefined);
    await leads(b);
    const last = a.proxy.requests.findLast((r) => r.isWrite && r.url.pathname.endsWith('/written'))?.at ?? 0;
    await expect.poll(() => writes('b')).toBeGreaterThan(0);
    const first = written.find((w) => w.by === 'b')?.at ?? 0;
    expect(first - last).toBeGreaterThan(500);
    expect(turns()).toEqual(['a', 'b']);
    expect(a.lines).toContain('over lost');
  });

  it.each([-30_000, 30_000])('a clock that is %d ms off changes nothing of that', async (skewMs) => {
    const [a, b] = await pair(short, skewMs);
    const more = writes('a') + 100;
    await expect.poll(() => writes('a'), { timeout: 20_000 }).toBeGreaterThan(more);
    expect(turns()).toEqual(['a']);
    a.proxy.down = true;
    a.proxy.cut();
    await leads(b);
    await expect.poll(() => writes('b')).toBeGreaterThan(20);
    a.proxy.down = false;
    await expect.poll(() => a.lines).toContain('over lost');
    expect(turns()).toEqual(['a', 'b']);
  });
});

/** Every way in which a leader may lose its lease, in turn. MECHANICS_FAILOVERS=100 for more of them. */
const failovers = Number(process.env.MECHANICS_FAILOVERS ?? 7);
const isLease = (request: { readonly url: URL }) => request.url.pathname.includes('/leases/');
const ways: readonly { readonly name: string; readonly befall: (leader: Writer) => void; readonly ends?: boolean }[] = [
  { name: 'paused', befall: ({ process }) => process.kill('SIGSTOP') },
  {
    name: 'cut off',
    befall: ({ proxy }) => {
      proxy.fault = () => ({ hang: true });
      proxy.cut();
    },
  },
  {
    name: 'renewals never answered',
    befall: ({ proxy }) => {
      proxy.fault = (r) => (isLease(r) ? { hang: true } : undefined);
    },
  },
  {
    name: 'renewals applied, answers lost',
    befall: ({ proxy }) => {
      proxy.fault = (r) => (isLease(r) ? { cut: 'after' } : undefined);
    },
  },
  {
    name: 'renewals refused',
    befall: ({ proxy }) => {
      proxy.fault = (r) => (isLease(r) ? { answer: 500 } : undefined);
    },
  },
  { name: 'killed', befall: ({ process }) => process.kill('SIGKILL'), ends: true },
  { name: 'asked to end', befall: ({ process }) => process.kill('SIGTERM'), ends: true },
];

it(`there is one writer at a time through ${failovers} forced fail-overs, by the API server's own log`, {
  timeout: 120_000 + failovers * 30_000,
}, async () => {
  // Two users, so that the audit log tells who wrote; their clocks are a minute apart.
  const skewMs: Readonly<Record<string, number>> = { a: 30_000, b: -30_000 };
  const user = (identity: string) => `${world.namespace}-${identity}`;
  const kubeconfigs: Record<string, string> = {};
  for (const identity of ['a', 'b']) {
    kubeconfigs[identity] = await userKubeconfig(inject('controlPlaneDir'), user(identity), ['system:masters']);
  }
  const launch = (identity: string) => start(identity, short, skewMs[identity], kubeconfigs[identity], 20);
  /** Who wrote what and when, by the API server: writes that it took, in the order in which they reached it. */
  const log: { readonly by: string; readonly at: string }[] = [];
  let position = auditPosition(inject('auditLog'));
  const readOn = () => {
    const next = auditPosition(inject('auditLog'));
    for (const entry of readAudit(inject('auditLog'), position)) {
      // Kubernetes itself puts its certificate into every new namespace, when it comes to it.
      const isKubernetes = entry.user.startsWith('system:serviceaccount:kube-system:');
      const isOurs = entry.namespace === world.namespace && entry.resource === 'configmaps' && !isKubernetes;
      const isWrite = isOurs && entry.status < 300;
      if (isWrite && writeVerbs.has(entry.verb)) log.push({ by: entry.user, at: entry.at });
    }
    position = next;
  };
  const seen = (identity: string) => () => {
    readOn();
    return log.filter(({ by }) => by === user(identity)).length;
  };

  let leader = await launch('a');
  await leads(leader);
  let other = await launch('b');
  await expect.poll(seen('a'), { timeout: 30_000 }).toBeGreaterThan(5);
  const done: Record<string, number> = {};
  for (let round = 0; round < failovers; round++) {
    const way = ways[round % ways.length];
    if (way === undefined) break;
    const before = seen(other.identity)();
    way.befall(leader);
    await leads(other, 60_000);
    await expect.poll(seen(other.identity), { timeout: 30_000 }).toBeGreaterThan(before + 5);
    if (way.ends === true) {
      await end(leader);
      leader = await launch(leader.identity);
    } else {
      leader.process.kill('SIGCONT');
      leader.proxy.fault = () => undefined;
      leader.proxy.cut();
      const lines = () => leader.lines.at(-1);
      await expect.poll(lines, { timeout: 60_000 }).toBe('over lost');
    }
    done[way.name] = (done[way.name] ?? 0) + 1;
    [leader, other] = [other, leader];
  }
  await expect.poll(seen(leader.identity), { timeout: 30_000 }).toBeGreaterThan(0);
  log.sort((x, y) => x.at.localeCompare(y.at));
  const turns = log.map(({ by }) => by).filter((by, i, all) => by !== all[i - 1]);
  const expected = Array.from({ length: failovers + 1 }, (_, i) => user(i % 2 === 0 ? 'a' : 'b'));
  console.log(`${failovers} fail-overs (${JSON.stringify(done)}), ${log.length} writes, ${turns.length} turns`);
  expect(turns).toEqual(expected);
});
