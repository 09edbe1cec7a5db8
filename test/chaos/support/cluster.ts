import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { type Computer, ServerProcess } from '../../db/server/support/serverProcess.ts';
import { Client } from './client.ts';

interface Member {
  process: ServerProcess | undefined;
  client: Client | undefined;
}

/** Several server processes of one computer's files on one database; any of them may be killed and started again. */
export class Servers implements AsyncDisposable {
  readonly #env: Readonly<Record<string, string>>;
  readonly #members: Member[];
  readonly #connections: number;
  kills = 0;

  private constructor(env: Readonly<Record<string, string>>, count: number, connections: number) {
    this.#env = env;
    this.#connections = connections;
    this.#members = Array.from({ length: count }, () => ({ process: undefined, client: undefined }));
  }

  static async start(
    computer: Computer,
    count: number,
    env: Readonly<Record<string, string>>,
    connections = 64,
  ): Promise<Servers> {
    // what is compiled once is read by all that start later: they are killed and started again all the time
    const cache = { NODE_COMPILE_CACHE: join(computer.dataDir, '..', 'compiled') };
    const main = join(import.meta.dirname, '..', '..', '..', 'server', 'main.ts');
    spawnSync(process.execPath, [main, '--help'], { env: { ...process.env, ...cache }, stdio: 'ignore' });
    const servers = new Servers({ ...computer.env, ...cache, ...env }, count, connections);
    // the first one makes the schema
    for (let i = 0; i < count; i++) await servers.#up(i);
    return servers;
  }

  get count(): number {
    return this.#members.length;
  }

  /** Where one listens that is up. */
  address(index: number): string {
    return this.#members[index]?.process?.address ?? '';
  }

  /** What all those that are up have logged. */
  output(): string {
    return this.#members.map((m) => m.process?.output ?? '').join('');
  }

  /** One of those that are up. */
  any(random: number): Client {
    const up = this.#members.flatMap((m) => (m.client ? [m.client] : []));
    const client = up[Math.floor(random * up.length)];
    if (client === undefined) throw new Error('no server is up');
    return client;
  }

  /** Ends one the hard way and starts it again. */
  async killOne(index: number): Promise<void> {
    await this.#down(index, 'SIGKILL');
    this.kills += 1;
    await this.#up(index);
  }

  /** Ends one as a rolling restart does and starts it again; answers its exit status. */
  async restart(index: number): Promise<number | string> {
    const status = await this.#down(index, 'SIGTERM');
    await this.#up(index);
    return status;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#members.map((_, i) => this.#down(i, 'SIGKILL')));
  }

  async #down(index: number, signal: NodeJS.Signals): Promise<number | string> {
    const member = this.#members[index];
    const { process: running, client } = member ?? {};
    if (member === undefined || running === undefined) return '';
    member.client = undefined;
    member.process = undefined;
    const stopped = running.stop(signal);
    // as when a Service takes it out: no new requests, and those under way are answered
    if (signal === 'SIGTERM') await client?.drained();
    const status = await stopped;
    await client?.close();
    return status;
  }

  async #up(index: number): Promise<void> {
    const member = this.#members[index];
    if (member === undefined) throw new Error(`there is no server ${index}`);
    const server = await ServerProcess.start(this.#env);
    if (server.address === '') throw new Error(`a server did not start:\n${server.output}`);
    member.process = server;
    member.client = new Client(server.address, this.#connections);
  }
}
