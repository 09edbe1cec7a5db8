import { spawn } from 'node:child_process';

/** How 1C's cluster is asked: by its own tool `rac`, which talks to its administration server `ras`. */
export interface RacOptions {
  /** The program, `rac` or its path. */
  readonly program: string;
  /** Address of ras, `host:port`. */
  readonly server: string;
  readonly user?: string;
  readonly password?: string;
  /** A call that takes longer is ended, in ms. */
  readonly timeoutMs: number;
}

export type RacReason = 'NotFound' | 'Hangs' | 'NoRights' | 'Unreadable' | 'Failed';

/** rac gave no answer that can be trusted. Nothing may be reported then: half a list would take seats from people who work. */
export class RacFailed extends Error {
  readonly reason: RacReason;
  constructor(reason: RacReason, text: string) {
    super(text);
    this.name = 'RacFailed';
    this.reason = reason;
  }
}

/** One block of `name : value` lines. */
export type RacRecord = ReadonlyMap<string, string>;

/**
 * Runs rac and reads its answer.
 * @param command such as `session list`
 * @param first the name that every block begins with
 * @param needed names that every block must have
 * @throws RacFailed
 */
export async function askRac(
  options: RacOptions,
  command: readonly string[],
  first: string,
  needed: readonly string[],
): Promise<RacRecord[]> {
  const login = [
    ...(options.user === undefined ? [] : [`--cluster-user=${options.user}`]),
    ...(options.password === undefined ? [] : [`--cluster-pwd=${options.password}`]),
  ];
  const isOfCluster = command.some((word) => word.startsWith('--cluster='));
  const args = [...command, ...(isOfCluster ? login : []), options.server];
  return recordsIn(await output(options, args), first, needed);
}

/** Blocks are parted by empty lines. What has another form is no answer of rac, or only a part of one. */
export function recordsIn(text: string, first: string, needed: readonly string[]): RacRecord[] {
  const unreadable = (what: string) => new RacFailed('Unreadable', `the answer of rac cannot be read: ${what}`);
  const records = text
    .split(/\r?\n[ \t]*\r?\n/)
    .filter((block) => block.trim() !== '')
    .map((block): RacRecord => {
      const lines = block.split(/\r?\n/).filter((line) => line.trim() !== '');
      return new Map(
        lines.map((line) => {
          const [, name, value] = /^([a-z][a-z0-9-]*)\s*:(.*)$/.exec(line) ?? [];
          if (name === undefined || value === undefined) throw unreadable(`"${line.slice(0, 100)}"`);
          return [name, unquoted(value.trim())];
        }),
      );
    });
  for (const record of records) {
    if (record.keys().next().value !== first) throw unreadable(`a block does not begin with "${first}"`);
    const missing = needed.find((name) => !record.has(name));
    if (missing !== undefined) throw unreadable(`a block has no "${missing}"`);
  }
  return records;
}

const unquoted = (value: string): string => /^"(.*)"$/.exec(value)?.[1]?.replaceAll('""', '"') ?? value;

const noRights = /insufficient|not authenticated|access denied|недостаточно прав|не аутентифицирован|доступ запрещ/i;

function output(options: RacOptions, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(options.program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new RacFailed(
          'Hangs',
          `rac gave no answer within ${options.timeoutMs / 1000} s; is ras at ${options.server} well?`,
        ),
      );
    }, options.timeoutMs);
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const what = error.code === 'ENOENT' ? 'is not there; name it with --rac' : `cannot be run (${error.code})`;
      reject(new RacFailed('NotFound', `${options.program} ${what}`));
    });
    child.on('close', (status) => {
      clearTimeout(timer);
      const said = `${Buffer.concat(err)}`.trim();
      const text = decoded(Buffer.concat(out));
      // it may complain and end with 0: an empty list beside a complaint is no list
      if (status === 0 && said === '' && text !== undefined) return resolve(text);
      const words = (said || text || '').trim().slice(0, 300);
      if (noRights.test(words)) {
        return reject(
          new RacFailed(
            'NoRights',
            `rac is refused: ${words}; name an administrator of the cluster with --cluster-user`,
          ),
        );
      }
      if (status === 0 && text === undefined) {
        return reject(
          new RacFailed('Unreadable', 'the answer of rac is not UTF-8; run this with a UTF-8 locale (LANG=C.UTF-8)'),
        );
      }
      reject(new RacFailed('Failed', `rac ended with status ${status}: ${words}`));
    });
  });
}

function decoded(bytes: Buffer): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
