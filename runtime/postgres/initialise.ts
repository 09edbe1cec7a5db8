import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { makeDraft } from './drafts.ts';
import { type Account, type Installation, runToEnd } from './programs.ts';

/**
 * Makes new data of PostgreSQL, in a draft beside the data that are in `root`, and answers where.
 *
 * Neither huge pages nor a name of the user are asked of the machine: where a node has huge pages and the container may take none,
 * PostgreSQL is killed by the first one that it touches (`huge_pages=try` finds that they are there, not that they may be had); and
 * initdb does not work for a user without an entry in the user database.
 * @throws Error with initdb's own words, or saying what to do; nothing is left of it then
 */
export async function initialise(
  root: string,
  by: Installation,
  account: Account | undefined,
  signal: AbortSignal,
): Promise<string> {
  const draft = makeDraft(root, by.major, account);
  const scratch = mkdtempSync(join(tmpdir(), 'licence-initdb-'));
  chmodSync(scratch, 0o755); // root runs initdb as somebody else
  try {
    const run = { account, signal, env: account === undefined ? nameFor(scratch) : {} };
    const initdb = join(by.bin, 'initdb');
    const ownShare = by.major < 16 ? await shareWithoutHugePages(scratch, initdb, run) : undefined;
    const hugePages = ownShare === undefined ? ['-c', 'huge_pages=off'] : ['-L', ownShare];
    const plain = ['-U', 'licence', '-A', 'trust', '-E', 'UTF8', '--locale=C', '-k'];
    await runToEnd(initdb, ['-D', draft, ...plain, ...hugePages], run);
    return draft;
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    throw error;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** initdb of PostgreSQL 15 and older takes no settings but from the sample file in its share directory: this is one of our own. */
async function shareWithoutHugePages(
  scratch: string,
  initdb: string,
  run: Parameters<typeof runToEnd>[2],
): Promise<string> {
  const told = await runToEnd(initdb, ['-D', join(scratch, 'none'), '--show'], run);
  const share = /^share_path=(.+)$/m.exec(told)?.[1];
  if (share === undefined) throw new Error(`${initdb} --show does not say where its files are`);
  const own = join(scratch, 'share');
  const sample = 'postgresql.conf.sample';
  mkdirSync(own);
  for (const name of readdirSync(share)) if (name !== sample) symlinkSync(join(share, name), join(own, name));
  writeFileSync(join(own, sample), `${readFileSync(join(share, sample), 'utf8')}\nhuge_pages = off\n`);
  return own;
}

const wrappers = [
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib64',
  '/usr/lib',
  '/usr/local/lib',
];

/** Environment in which the user of this process has a name; empty where it has one anyway. */
function nameFor(scratch: string): Record<string, string> {
  if (process.platform === 'win32' || hasName()) return {};
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  const library = wrappers.map((dir) => join(dir, 'libnss_wrapper.so')).find((path) => existsSync(path));
  if (library === undefined) {
    throw new Error(
      `user ${uid} has no entry in the user database, and PostgreSQL makes no data for a user without a name: ` +
        'add one to /etc/passwd, run this as another user, or install libnss-wrapper',
    );
  }
  const [passwd, group] = [join(scratch, 'passwd'), join(scratch, 'group')];
  writeFileSync(passwd, `licence:x:${uid}:${gid}:licence:/:/usr/sbin/nologin\n`);
  writeFileSync(group, `licence:x:${gid}:\n`);
  return { LD_PRELOAD: library, NSS_WRAPPER_PASSWD: passwd, NSS_WRAPPER_GROUP: group };
}

function hasName(): boolean {
  try {
    return userInfo().username !== '';
  } catch {
    return false;
  }
}
