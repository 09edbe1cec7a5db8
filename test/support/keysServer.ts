import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { createMetrics, type Metrics } from '../../runtime/metrics.ts';
import { type AuthorityClient, createAuthorityClient } from '../../server/keys/authorityClient.ts';
import { loadIdentity } from '../../server/keys/identity.ts';
import { createKeys, type Keys, type KeysDeps } from '../../server/keys/keys.ts';
import type { ProductEntitlement } from '../../server/seats/entitlement.ts';
import { FakeClock } from './fakeClock.ts';

/** The keys part of one server: a data directory, a keys directory, a trust file; stopped and started over at will. */
export interface KeysServer {
  readonly dataDir: string;
  readonly keysDir: string;
  readonly trustFile: string;
  readonly clock: FakeClock;
  readonly keys: Keys;
  readonly metrics: Metrics;
  /** What the ledger was told last. */
  readonly products: readonly ProductEntitlement[];
  /** All log lines so far, at the most talkative level. */
  readonly log: string;
  /** Seats by product, for short comparisons. */
  seats(): Record<string, number>;
  /** Replaces the configured keys; a name may end in `.activation`. */
  configure(texts: Readonly<Record<string, string>>): Promise<void>;
  trust(jwks: unknown): Promise<void>;
  /** Names in the folder `Licence`. */
  files(): Promise<string[]>;
  start(more?: Partial<KeysDeps>): Promise<Keys>;
  stop(): Promise<void>;
  end(): Promise<void>;
}

export async function createKeysServer(authorityUrl?: string): Promise<KeysServer> {
  const root = await mkdtemp(join(tmpdir(), 'keys-'));
  const [dataDir, keysDir, trustFile] = [join(root, 'data'), join(root, 'keys'), join(root, 'jwks.json')];
  await mkdir(keysDir);
  const clock = new FakeClock(Date.now());
  const lines: string[] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void lines.push(line) });
  let running: { keys: Keys; metrics: Metrics; authority: AuthorityClient | undefined } | undefined;
  let products: readonly ProductEntitlement[] = [];

  const current = () => {
    if (running === undefined) throw new Error('the server is not running');
    return running;
  };
  const stop = async () => {
    const { keys, authority } = current();
    running = undefined;
    await keys.stop();
    await authority?.close();
  };
  return {
    dataDir,
    keysDir,
    trustFile,
    clock,
    get keys() {
      return current().keys;
    },
    get metrics() {
      return current().metrics;
    },
    get products() {
      return products;
    },
    get log() {
      return lines.join('');
    },
    seats: () => Object.fromEntries(products.map((p) => [p.product, p.seatLimit])),
    configure: async (texts) => {
      for (const name of await readdir(keysDir)) await rm(join(keysDir, name));
      for (const [name, text] of Object.entries(texts)) await writeFile(join(keysDir, name), text);
    },
    trust: (jwks) => writeFile(trustFile, JSON.stringify(jwks)),
    files: async () => (await readdir(join(dataDir, 'Licence'))).sort(),
    start: async (more = {}) => {
      products = [];
      const metrics = createMetrics();
      const authority =
        authorityUrl === undefined ? undefined : createAuthorityClient({ url: authorityUrl, timeoutMs: 2_000 });
      const keys = await createKeys({
        log,
        clock,
        metrics,
        identity: await loadIdentity({ dataDir }),
        dataDir,
        keysDir,
        trustFile,
        ...(authority === undefined ? {} : { authority }),
        setEntitlements: async (next) => {
          products = next;
        },
        ...more,
      });
      running = { keys, metrics, authority };
      await keys.start();
      return keys;
    },
    stop,
    end: async () => {
      if (running !== undefined) await stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

/** Content of one activation file. */
export const activationFile = (server: KeysServer, keyId: string): Promise<string> =>
  readFile(join(server.dataDir, 'Licence', `${keyId}.lic`), 'utf8');
