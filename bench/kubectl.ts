import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { type Cluster, startCluster } from '../cluster/cluster.ts';
import { freePort } from '../cluster/process.ts';
import { ensureChromium, ensureTools } from '../cluster/tools.ts';
import { kubectlFor } from '../demo/kubectl.ts';
import { installProduct, sampleObjects, vendorNamespace, waitForCondition } from '../demo/product.ts';
import { reachEmbedded } from '../demo/reach.ts';
import { buildKubectlLicence } from '../kubectlPackage.ts';
import { median } from './median.ts';

// `npm run bench:kubectl`: what somebody waits for who looks after licence servers, on an embedded cluster (Linux, root):
//
// - `kubectl licence status` beside the commands that told as much before: get, port-forward with curl, logs; in turns;
// - `kubectl licence list -A` of a thousand servers: time and memory;
// - a first visit of either page, until one can type or read: in a browser that knows nothing of them yet.
//
// Progress to standard error, a table to standard output. Exit status 1: something misses its goal.

const rounds = 10;
const servers = 1_000;
const [namespace, name, crowd] = ['bench', 'office', 'bench-crowd'];
const say = (line: string) => process.stderr.write(`» ${line}\n`);
const rows: { what: string; figure: string; goal: string; met: boolean }[] = [];

interface Ran {
  readonly ms: number;
  readonly out: string;
  /** Most resident memory, MB. */
  readonly mostMb: number;
}
/** Runs a program to its end. @throws when its exit status is none of `fine` */
function timed(command: string, args: readonly string[], kubeconfig: string, fine: readonly number[]): Promise<Ran> {
  const began = performance.now();
  const env = { ...process.env, KUBECONFIG: kubeconfig, NO_COLOR: '1' };
  const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { out: '', err: '' };
  child.stdout.on('data', (text) => {
    said.out += text;
  });
  child.stderr.on('data', (text) => {
    said.err += text;
  });
  let mostKib = 0;
  const look = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      mostKib = Math.max(mostKib, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      // it has ended
    }
  }, 5);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      clearInterval(look);
      const ms = performance.now() - began;
      if (fine.includes(status ?? -1)) resolve({ ms, out: said.out, mostMb: (mostKib * 1024) / 1e6 });
      else reject(new Error(`${command} ${args.join(' ')}: ${status}\n${said.out}${said.err}`));
    });
  });
}

const dir = mkdtempSync(join(tmpdir(), 'bench-kubectl-'));
const tools = await ensureTools(['kubectl', 'helm'], 'to measure on a cluster');
const chromiumPath = await ensureChromium();
let cluster: Cluster | undefined;
try {
  const command = join(dir, 'command');
  await buildKubectlLicence(command, []);
  cluster = await startCluster();
  const { kubeconfig } = cluster;
  const kubectl = kubectlFor(tools, { kubeconfig });
  const reach = reachEmbedded(cluster, kubectl);
  const images = {
    operator: 'localhost/licence-operator:dev',
    server: 'localhost/licence-server:dev',
    authority: 'localhost/licence-authority:dev',
  };
  const vendor = await installProduct({ kubectl, reach, images, namespaces: [namespace], say });
  const { key } = await vendor.issue({ organisation: 'Bench Ltd', product: 'erp', seatLimit: 5 });
  await kubectl.apply(await sampleObjects({ namespace, name, vendor, key }));
  await waitForCondition(kubectl, { namespace, name }, 'Ready', 180);
  const token = ((await kubectl.secret(namespace, `${name}-tokens`)).admin ?? '').split('\n')[0] ?? '';

  const licence = (args: readonly string[], fine: readonly number[] = [0]) =>
    timed(process.execPath, [join(command, 'kubectl-licence'), ...args], kubeconfig, fine);
  /** As by hand, by somebody who types at once and has the token in the clipboard. */
  const byHand = async () => {
    const began = performance.now();
    await timed(tools.kubectl, ['-n', namespace, 'get', 'licenceserver', name, '-o', 'yaml'], kubeconfig, [0]);
    const port = await freePort();
    const env = { ...process.env, KUBECONFIG: kubeconfig };
    const args = ['-n', namespace, 'port-forward', `service/${name}`, `${port}:8080`];
    const forwarding = spawn(tools.kubectl, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise<void>((resolve, reject) => {
      forwarding.stdout.once('data', () => resolve());
      forwarding.once('exit', () => reject(new Error('port-forward ended')));
    });
    const auth = `Authorization: Bearer ${token}`;
    await timed('curl', ['-fsS', '-H', auth, `http://127.0.0.1:${port}/v1/status`], kubeconfig, [0]);
    forwarding.removeAllListeners('exit').kill();
    await timed(tools.kubectl, ['-n', namespace, 'logs', `deploy/${name}`, '--tail=100'], kubeconfig, [0]);
    return performance.now() - began;
  };

  say('status beside get, port-forward with curl, logs');
  const statuses: number[] = [];
  const hands: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const { ms } = await licence(['-n', namespace, 'status', name]);
    const hand = await byHand();
    if (round === 0) continue; // both have now read their files
    statuses.push(ms);
    hands.push(hand);
  }
  const share = median(statuses.map((ms, i) => ms / (hands[i] ?? Number.NaN)));
  rows.push({
    what: '`status` of one server, beside the three commands by hand',
    figure: `${median(statuses).toFixed(0)} ms / ${median(hands).toFixed(0)} ms = ${share.toFixed(2)}`,
    goal: '≤ 0.6',
    met: share <= 0.6,
  });

  say(`${servers} servers that are what the one is`);
  const sample = await kubectl.get<{ spec: object; status: object }>(namespace, 'licenceserver', name);
  const { api } = cluster.controlPlane;
  await api.request('POST', '/api/v1/namespaces', { metadata: { name: crowd } });
  const path = `/apis/licensing.softonit.ru/v1beta1/namespaces/${crowd}/licenceservers`;
  const kind = { apiVersion: 'licensing.softonit.ru/v1beta1', kind: 'LicenceServer' };
  const todo = Array.from({ length: servers }, (_, i) => `office-${i}`);
  const must = async (method: string, at: string, body: unknown, type?: string) => {
    const { status, body: answer } = await api.request(method, at, body, type);
    if (status >= 300) throw new Error(`${method} ${at}: ${status} ${JSON.stringify(answer)}`);
  };
  const work = async () => {
    for (let one = todo.pop(); one !== undefined; one = todo.pop()) {
      await must('POST', path, { ...kind, metadata: { name: one, namespace: crowd }, spec: sample?.spec });
      await must('PATCH', `${path}/${one}/status`, { status: sample?.status }, 'application/merge-patch+json');
    }
  };
  await Promise.all(Array.from({ length: 8 }, work));
  const lists: Ran[] = [];
  for (let round = 0; round < rounds; round++) lists.push(await licence(['list', '-A'], [0, 2]));
  const told = (lists[0]?.out.trim().split('\n').length ?? 0) - 1;
  if (told !== servers + 1) throw new Error(`list tells of ${told} servers`);
  const listMs = median(lists.map(({ ms }) => ms));
  const listMb = Math.max(...lists.map(({ mostMb }) => mostMb));
  rows.push(
    {
      what: `\`list -A\` of ${servers + 1} servers`,
      figure: `${listMs.toFixed(0)} ms`,
      goal: '≤ 2000 ms',
      met: listMs <= 2_000,
    },
    { what: 'its memory, at most', figure: `${listMb.toFixed(0)} MB`, goal: '≤ 150 MB', met: listMb <= 150 },
  );

  say('first visits of both pages');
  const browser = await chromium.launch({ executablePath: chromiumPath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    const pages = [
      ["the server's page, signed in", `${await reach(namespace, name, 8080)}/#token=${token}`, 'main h1'],
      ["the cabinet's", `${await reach(vendorNamespace, 'licence-authority', 8080)}/`, 'input[name=email]'],
    ] as const;
    for (const [what, url, usable] of pages) {
      const times: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const context = await browser.newContext({ locale: 'en-GB' });
        const page = await context.newPage();
        const began = performance.now();
        await page.goto(url, { waitUntil: 'commit' });
        await page.locator(usable).waitFor();
        times.push(performance.now() - began);
        await context.close();
      }
      const ms = median(times);
      rows.push({
        what: `first visit of ${what}, until usable`,
        figure: `${ms.toFixed(0)} ms`,
        goal: '≤ 1000 ms',
        met: ms <= 1_000,
      });
    }
  } finally {
    await browser.close();
  }
  process.stdout.write('| what | median | goal | |\n|---|---:|---:|---|\n');
  for (const { what, figure, goal, met } of rows)
    process.stdout.write(`| ${what} | ${figure} | ${goal} | ${met ? 'met' : 'missed'} |\n`);
  process.exitCode = rows.every(({ met }) => met) ? 0 : 1;
} finally {
  await cluster?.stop();
  rmSync(dir, { recursive: true, force: true });
}
