import { createHmac, randomBytes } from 'node:crypto';
import { existsSync, type FSWatcher, mkdirSync, readdirSync, statSync, watch, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../../runtime/log.ts';
import { readSmallFileSync } from '../../runtime/smallFile.ts';

/** `admin` may do everything; `client` takes and gives back seats; `metrics` reads `/metrics`. */
export const roles = ['client', 'admin', 'metrics'] as const;
export type Role = (typeof roles)[number];

/** Which role a presented token has; undefined for none. */
export interface TokenVerifier {
  roleOf(token: string): Role | undefined;
  /** Grows when tokens change: what was verified before must be verified again. */
  readonly generation: number;
}

/** Shorter ones can be guessed. */
export const shortestToken = 16;
const pollMs = 2_000;

/**
 * The tokens in a directory: files named after a role (`metrics`), or after it with something behind (`metrics-next`), one
 * token a line, all of them accepted, so that a token can be replaced without refusing anybody. What reads a file as a whole,
 * as Prometheus does, needs one token a file. Changed files count at once. Tokens are looked up by a digest under a key of this process, so the time of
 * a look-up says nothing about any token.
 */
export class TokenFiles implements TokenVerifier {
  generation = 0;
  readonly #dir: string;
  readonly #log: Logger;
  readonly #secret = randomBytes(32);
  #known = new Map<string, Role>();
  #seen = '';
  #checkedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  #watcher: FSWatcher | undefined;

  /** @throws Error when the directory has no usable admin token: nobody could manage the server. */
  constructor(dir: string, log: Logger) {
    this.#dir = dir;
    this.#log = log;
    this.#load();
    if (![...this.#known.values()].includes('admin')) {
      throw new Error(
        `${join(dir, 'admin')} has no token of at least ${shortestToken} characters; write one, one token a line`,
      );
    }
  }

  start(): void {
    this.#timer = setInterval(() => this.#reload(), pollMs);
    try {
      this.#watcher = watch(this.#dir, () => this.#reload());
      this.#watcher.on('error', () => {}); // the poll goes on
    } catch {
      // not every file system can be watched
    }
  }
  stop(): void {
    clearInterval(this.#timer);
    this.#watcher?.close();
  }

  roleOf(token: string): Role | undefined {
    const role = this.#known.get(this.#digest(token));
    if (role !== undefined) return role;
    // a token that was made a moment ago should not be refused
    if (performance.now() - this.#checkedAt < 250) return undefined;
    this.#reload();
    return this.#known.get(this.#digest(token));
  }

  #digest(token: string): string {
    return createHmac('sha256', this.#secret).update(token).digest('base64');
  }

  #reload(): void {
    try {
      if (this.#stamp() !== this.#seen) {
        this.#load();
        this.#log.info({ dir: this.#dir }, 'tokens changed');
      }
      this.#checkedAt = performance.now();
    } catch (error) {
      this.#log.warn({ err: error, dir: this.#dir }, 'tokens could not be read; the last ones stay');
    }
  }

  #stamp(): string {
    return this.#files()
      .map(({ file }) => {
        const s = statSync(join(this.#dir, file), { throwIfNoEntry: false });
        return s ? `${file} ${s.ino}/${s.mtimeMs}/${s.size}` : '';
      })
      .join(' ');
  }

  #files(): { readonly role: Role; readonly file: string }[] {
    const names = existsSync(this.#dir) ? readdirSync(this.#dir).sort() : [];
    return roles.flatMap((role) =>
      names.filter((name) => name === role || name.startsWith(`${role}-`)).map((file) => ({ role, file })),
    );
  }

  #load(): void {
    const stamp = this.#stamp();
    const known = new Map<string, Role>();
    for (const { role, file } of this.#files()) {
      for (const line of readLines(join(this.#dir, file))) {
        if (line.length < shortestToken)
          this.#log.warn({ role }, `a token is shorter than ${shortestToken} characters: not accepted`);
        else if (known.get(this.#digest(line)) !== 'admin') known.set(this.#digest(line), role);
      }
    }
    this.#known = known;
    this.#seen = stamp;
    this.generation += 1;
  }
}

function readLines(file: string): string[] {
  try {
    return readSmallFileSync(file)
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw new Error(`the tokens in ${file} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Makes a token for each role that has none yet, readable by the owner alone. */
export function makeTokens(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  for (const role of roles) {
    try {
      writeFileSync(join(dir, role), `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600, flag: 'wx' });
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
  }
}
