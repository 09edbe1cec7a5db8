import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
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
  for (const { process, proxy } of writers) {
    if (process.exitCode === null && process.signalCode === null) {
      process.kill('SIGKILL');
      await once(process, 'exit');
    }
    await proxy[Symbol.asyncDispose]();
  }
  await world[Symbol.asyncDispose]();
});

const program = fileURLToPath(new URL('../support/electedWriter.ts', import.meta.url));
/** Lease duration, renew deadline and retry period, a fifth of the usual ones. */
const short = [3_000, 2_000, 400];
const usual = [15_000, 10_000, 2_000];

async function start(identity: string, times: readonly number[], skewMs = 0): Promise<Writer> {
  const proxy = await startFaultProxy(inject('kubeconfig'));
  const args = [program, proxy.kubeconfig, world.namespace, identity, ...[...times, skewMs].map(String)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  const writer = { identity, proxy, process: child, lines };
  writers.push(writer);
  await expect.poll(() => lines[0], { timeout: 20_000 }).toBe('ready');
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

  it('there is one leader at a time through a series of forced fail-overs', async () => {
    let [leader, other] = await pair();
    for (let round = 0; round < 6; round++) {
      const how = round % 3;
      const before = writes(other.identity);
      if (how === 0) leader.process.kill('SIGSTOP');
      if (how === 1) leader.proxy.fault = () => ({ hang: true });
      if (how === 2)
        leader.proxy.fault = ({ url }) => (url.pathname.includes('/leases/') ? { cut: 'after' } : undefined);
      if (how === 1) leader.proxy.cut();
      await leads(other);
      await expect.poll(() => writes(other.identity), { timeout: 10_000 }).toBeGreaterThan(before + 5);
      leader.process.kill('SIGCONT');
      leader.proxy.fault = () => undefined;
      leader.proxy.cut();
      await expect.poll(() => leader.lines.at(-1), { timeout: 10_000 }).toBe('over lost');
      [leader, other] = [other, leader];
    }
    expect(turns()).toEqual(['a', 'b', 'a', 'b', 'a', 'b', 'a']);
  });
});
