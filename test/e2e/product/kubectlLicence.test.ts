import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureNamespaces, sampleObjects } from '../../../demo/product.ts';
import { type Ended, licenceCommand } from '../../support/licenceCommand.ts';
import { eventually, type Product, startTestServer, type TestServer, useProduct } from '../../support/product.ts';

// What an administrator and somebody on call do by hand, with the command as it is shipped, on a real node.
const namespace = 'e2e-kubectl';

let product: Product;
let dir: string;
const licence = (args: readonly string[], input?: string): Promise<Ended> =>
  licenceCommand(product.cluster.kubeconfig, ['-n', namespace, ...args], input === undefined ? {} : { input });
const kubectl = (...args: string[]) => product.kubectl(['-n', namespace, ...args]);

beforeAll(async () => {
  product = await useProduct();
  dir = mkdtempSync(join(tmpdir(), 'kubectl-licence-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe('somebody on call', () => {
  /** What is wrong, and the words that the first line has to have. Each server is broken in one way only. */
  const faults: readonly {
    readonly name: string;
    readonly spec?: Readonly<Record<string, unknown>>;
    readonly key?: (good: string) => string;
    readonly annotations?: Readonly<Record<string, string>>;
    readonly says: RegExp;
    readonly todo: RegExp;
  }[] = [
    {
      name: 'no-image',
      spec: { image: 'localhost/no-such-image:1', imagePullPolicy: 'Never' },
      says: /image localhost\/no-such-image:1 cannot be pulled/,
      todo: /spec\.image/,
    },
    {
      name: 'no-node',
      spec: { podTemplate: { spec: { nodeSelector: { disk: 'gold' } } } },
      says: /no node takes pod no-node-/,
      todo: /nodeSelector/,
    },
    {
      name: 'no-room',
      spec: { resources: { requests: { memory: '900Gi' } } },
      says: /no node takes pod no-room-.*memory/i,
      todo: /spec\.resources/,
    },
    {
      name: 'no-class',
      spec: { storage: { storageClassName: 'platinum' } },
      says: /no-class-data of class platinum has no volume.*platinum/,
      todo: /storageclass/,
    },
    {
      name: 'no-claim',
      spec: { storage: { existingClaim: 'elsewhere' } },
      says: /elsewhere does not exist/,
      todo: /create the claim/,
    },
    {
      name: 'no-secret',
      spec: { keys: [{ name: 'erp', secretRef: { name: 'not-there', key: 'erp' } }] },
      says: /Secret not-there does not exist/,
      todo: /create the Secret/,
    },
    {
      name: 'typing-error',
      key: (good) => `${good[0] === '2' ? '3' : '2'}${good.slice(1)}`,
      says: /typing error/,
      todo: /rotate typing-error/,
    },
    {
      name: 'unknown-key',
      key: () => '00000-00000-00000-00000-00000-KV8VE',
      says: /unknown|not know|typing error/i,
      todo: /rotate unknown-key/,
    },
    {
      name: 'no-authority',
      spec: {
        activation: {
          authority: { url: 'http://nowhere.invalid:8080', trustedKeys: { configMapRef: { name: 'vendor-keys' } } },
        },
      },
      says: /nowhere\.invalid.*cannot be reached|authority/,
      todo: /activation\.authority\.url/,
    },
    {
      name: 'crashing',
      spec: {
        podTemplate: {
          spec: { containers: [{ name: 'server', env: [{ name: 'LICENCE_LISTEN', value: 'nonsense' }] }] },
        },
      },
      says: /the server ends again and again.*LICENCE_LISTEN/,
      todo: /logs crashing-.*--previous/,
    },
    {
      name: 'no-database',
      spec: { database: { secretRef: { name: 'seats-db' } } },
      says: /seats-db does not exist/,
      todo: /create the Secret/,
    },
    { name: 'stopped', spec: { suspend: true }, says: /it is suspended/, todo: /resume stopped/ },
    {
      name: 'held',
      annotations: { 'licensing.softonit.ru/pause': 'true' },
      says: /paused|pending/,
      todo: /unpause held/,
    },
    { name: 'no-keys', spec: { keys: [] }, says: /no key is installed/, todo: /spec\.keys/ },
  ];

  beforeAll(async () => {
    const { key } = await product.vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 2 });
    const objects = await Promise.all(
      faults.map(async (fault) => {
        const made = (await sampleObjects({
          namespace,
          name: fault.name,
          vendor: product.vendor,
          key: fault.key?.(key) ?? key,
          spec: fault.spec ?? {},
        })) as { kind: string; metadata: object }[];
        return made.map((object) =>
          object.kind === 'LicenceServer' && fault.annotations !== undefined
            ? { ...object, metadata: { ...object.metadata, annotations: fault.annotations } }
            : object,
        );
      }),
    );
    await product.kubectl.apply(objects.flat());
  });
  afterAll(() => kubectl('delete', 'lics', '--all', '--wait=false'));

  it.each(faults)(
    'reads in the first line what is wrong with "$name", and in the second what to do',
    async ({ name, says, todo }) => {
      let last: Ended | undefined;
      await eventually(`status of ${name}`, 180_000, async () => {
        last = await licence(['status', name]);
        const [first = '', second = ''] = last.out.split('\n');
        return says.test(first) && todo.test(second);
      }).catch((error) => {
        throw new Error(`${(error as Error).message}\n${last?.out}${last?.err}`);
      });
    },
  );

  it('sees the worst first, and that nobody looks after a namespace', async () => {
    await ensureNamespaces(product.kubectl, ['e2e-unwatched']);
    const { key } = await product.vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 2 });
    await product.kubectl.apply(
      await sampleObjects({ namespace: 'e2e-unwatched', name: 'lost', vendor: product.vendor, key }),
    );
    const lost = await licenceCommand(product.cluster.kubeconfig, ['-n', 'e2e-unwatched', 'status']);
    expect(lost.out.split('\n')[0]).toMatch(/no operator watches namespace e2e-unwatched/);
    expect(lost.out.split('\n')[1]).toMatch(/watch\.namespaces/);
    expect(lost.status).toBe(2);
    const list = await licence(['list', '-A']);
    expect(list.status).toBe(2);
    const rows = list.out.trim().split('\n').slice(1);
    expect(rows.at(0)).toMatch(/Not ready|NotSeenYet/);
    expect(rows.at(-1)).toMatch(/Ready|Suspended/);
    await product.kubectl(['delete', 'namespace', 'e2e-unwatched', '--wait=false']);
  });
});

describe('a licence administrator', () => {
  let server: TestServer;
  const file = (name: string, text: string) => {
    const path = join(dir, name);
    writeFileSync(path, text);
    return path;
  };
  const issue = async () =>
    (await product.vendor.issue({ organisation: 'Test Ltd', product: 'erp', seatLimit: 2 })).key;
  beforeAll(async () => {
    server = await startTestServer(product, { namespace, name: 'office' }, { seatLimit: 2 });
  });

  it('sees who holds seats, and takes one back with a reason', async () => {
    await server.checkOut('anna', 'leased');
    await server.checkOut('boris', 'sticky');
    expect((await server.checkOut('vera', 'leased')).status).toBe(409);
    const seats = await licence(['seats', 'office']);
    expect(seats.out).toMatch(/erp +anna +pc-anna +trade/);
    expect((await licence(['denials', 'office'])).out).toMatch(/vera.*SeatsExhausted/);
    const simulated = await licence(['simulate', 'office', '--product', 'erp', '--days', '1', '--seats', '9']);
    expect(simulated).toMatchObject({ status: 0, out: expect.stringMatching(/^all +\d+ → 0 .*\nerp with 9 seats/m) });
    const tooMany = await licence(['simulate', 'office', '--product', 'erp', '--days', '3000']);
    expect(tooMany).toMatchObject({ status: 1, out: '', err: expect.stringMatching(/days: at most \d+/) });
    const full = await licence(['status', 'office']);
    expect(full.out.split('\n')[0]).toMatch(/all 2 seats of erp are taken/);
    expect(full.out.split('\n')[1]).toMatch(/licence seats office/);

    const unasked = await licence(['release', 'office', '--user', 'anna', '--reason', 'left for the day']);
    expect(unasked).toMatchObject({ status: 4, out: '' });
    const released = await licence(['release', 'office', '--user', 'anna', '--reason', 'left for the day', '--yes']);
    expect(released).toMatchObject({ status: 0, out: expect.stringMatching(/released/) });
    expect((await server.checkOut('vera', 'leased')).status).toBe(201);
  });

  it('rotates a key and is told that it is proven', async () => {
    const rotated = await licence(['rotate', 'office', 'erp', '--from-file', '-'], `${await issue()}\n`);
    expect(rotated.err).toMatch(/proven: key erp is/);
    expect(rotated.status).toBe(0);
    expect((await licence(['keys', 'office'])).out).toMatch(/erp .*Active/);
  });

  it('is told in one sentence that a key does not work, with status 2, and the running one stays', async () => {
    const bound = await issue();
    const other = await startTestServer(product, { namespace, name: 'other', key: { key: bound } as never });
    const refused = await licence(['rotate', 'office', 'erp', '--from-file', file('bound', bound)]);
    expect(refused.status).toBe(2);
    expect(refused.err).toMatch(/not proven, the running key stays/);
    expect(refused.err).toMatch(/→ make a new key for this computer: kubectl licence regenerate office erp/);
    expect((await licence(['keys', 'office'])).out).toMatch(/erp .*Active/);
    const good = await licence(['rotate', 'office', 'erp', '--from-file', file('good', await issue())]);
    expect(good.err).toMatch(/proven/);
    await kubectl('delete', 'lics', other.name, '--wait=false');
  });

  it('changes nothing where it cannot be right', async () => {
    const before = await kubectl('get', 'secret', 'office-keys', '-o', 'jsonpath={.data.erp}');
    const cases: readonly [readonly string[], RegExp, number][] = [
      [['rotate', 'office', 'erp', '--from-file', file('typing', 'AAAAA-BBBBB')], /a key has 30 characters/, 1],
      [
        ['rotate', 'office', 'zup', '--from-file', file('x', await issue())],
        /no key "zup" in spec.keys\n→ it has erp/,
        1,
      ],
      [
        ['rotate', 'nowhere', 'erp', '--from-file', file('x', await issue())],
        /no LicenceServer "nowhere".*\n→ there is/,
        1,
      ],
      [['rotate', 'office', 'erp', '--from-file', join(dir, 'not-there')], /cannot be read \(ENOENT\)/, 1],
      [['--context', 'no-such', 'list'], /no context "no-such"/, 1],
      [['rotate', 'office', 'erp'], /required option '--from-file <file>'/, 64],
      [['seats', 'no-image', '--nonsense'], /unknown option '--nonsense'/, 64],
    ];
    for (const [args, says, status] of cases) {
      const ended = await licence(args);
      expect(ended.err, args.join(' ')).toMatch(says);
      expect(ended.status, args.join(' ')).toBe(status);
    }
    expect(await kubectl('get', 'secret', 'office-keys', '-o', 'jsonpath={.data.erp}')).toBe(before);
  });

  it('is told that GitOps looks after a Secret, instead of writing what it would put back', async () => {
    await kubectl('annotate', 'secret', 'office-keys', 'argocd.argoproj.io/tracking-id=apps:/Secret:office-keys');
    const held = await licence(['rotate', 'office', 'erp', '--from-file', file('argo', await issue())]);
    expect(held).toMatchObject({ status: 1, err: expect.stringMatching(/looked after by Argo CD/) });
    await kubectl('annotate', 'secret', 'office-keys', 'argocd.argoproj.io/tracking-id-');
  });

  it('restarts, suspends, resumes, pauses', async () => {
    expect((await licence(['roll', 'office', '--yes'])).err).toMatch(/the server is ready again/);
    expect((await licence(['suspend', 'office', '--yes'])).status).toBe(0);
    await eventually(
      'no pod',
      60_000,
      async () => (await product.reads.list(namespace, 'pod', 'app.kubernetes.io/instance=office')).length === 0,
    );
    const stopped = await licence(['seats', 'office']);
    expect(stopped).toMatchObject({
      status: 1,
      err: expect.stringMatching(/no pod of LicenceServer office is ready\n→/),
    });
    expect((await licence(['resume', 'office'])).status).toBe(0);
    await server.waitFor('Ready');
    expect((await licence(['pause', 'office'])).status).toBe(0);
    expect((await licence(['unpause', 'office'])).status).toBe(0);
  });

  it('looks from outside, and takes a report along in which no secret is', async () => {
    expect(await licence(['doctor', 'office'])).toMatchObject({ status: 0, out: expect.stringMatching(/ok +key erp/) });
    const path = join(dir, 'report.tar.gz');
    expect((await licence(['report', 'office', '--to-file', path])).out).toBe(`${path}\n`);
    const files = await entriesOf(path);
    expect(Object.keys(files).sort()).toEqual(
      expect.arrayContaining(['licence-report/pods.yaml', 'licence-report/server.yaml', 'licence-report/status.yaml']),
    );
    const whole = Object.values(files).join('\n');
    expect(whole).toMatch(/fingerprint: sha256:/);
    const secrets = await Promise.all(
      ['office-tokens', 'office-identity', 'office-keys'].map((name) => product.kubectl.secret(namespace, name)),
    );
    for (const secret of secrets.flatMap((data) => Object.values(data))) {
      for (const line of secret.split('\n').filter((text) => text.length > 5)) expect(whole).not.toContain(line);
    }
  });

  it('is told which right is missing', async () => {
    const kubeconfig = join(dir, 'weak');
    const token = (await kubectl('create', 'token', 'default')).trim();
    const cluster = JSON.parse(await product.kubectl(['config', 'view', '--raw', '-o', 'json'])) as {
      clusters: { cluster: object }[];
    };
    writeFileSync(
      kubeconfig,
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        clusters: [{ name: 'c', cluster: cluster.clusters[0]?.cluster }],
        users: [{ name: 'u', user: { token } }],
        contexts: [{ name: 'x', context: { cluster: 'c', user: 'u', namespace } }],
        'current-context': 'x',
      }),
    );
    const weak = await licenceCommand(kubeconfig, ['list']);
    expect(weak).toMatchObject({
      status: 3,
      err: expect.stringMatching(
        new RegExp(`you may not list licenceservers in namespace ${namespace}\n→ ask for a Role`),
      ),
    });
  });

  it('is helped by the shell', async () => {
    const words = async (...typed: string[]) =>
      (await licenceCommand(product.cluster.kubeconfig, ['__complete', ...typed])).out.trim().split('\n');
    expect(await words('-n', namespace, 'status', 'off')).toEqual(['office', ':4']);
    expect(await words('-n', namespace, 'rotate', 'office', '')).toEqual(['erp', ':4']);
    expect(await words('susp')).toEqual(['suspend', ':4']);
    expect(await words('seats', '--st')).toEqual(['--stale', ':4']);
  });
});

async function entriesOf(path: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const archive = createGunzip();
  archive.end(readFileSync(path));
  const entries = archive.pipe(extract());
  for await (const entry of entries) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    files[entry.header.name] = Buffer.concat(chunks).toString();
  }
  return files;
}
