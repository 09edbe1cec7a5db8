import { chmodSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePostgres } from '../../cluster/postgres.ts';

export interface ShimPostgres {
  /** Directory of its programs, where any user may run them. */
  readonly bin: string;
  remove(): void;
}

/**
 * The installed PostgreSQL, whose `postgres` (and `initdb`, if that is given) runs a line of shell first; `$REAL` is the program
 * itself. What is asked for its version only is left alone.
 */
export async function shimPostgres(line: string, ofInitdb?: string): Promise<ShimPostgres> {
  const installed = await ensurePostgres('to run it with other manners');
  const bin = mkdtempSync(join(tmpdir(), 'shim-'));
  chmodSync(bin, 0o755);
  const write = (name: string, text: string) => {
    const real = realpathSync(join(installed, name));
    writeFileSync(
      join(bin, name),
      `#!/bin/sh\nREAL='${real}'\ncase "$1" in --version|-V) exec "$REAL" "$@";; esac\n${text}\nexec "$REAL" "$@"\n`,
      { mode: 0o755 },
    );
  };
  write('postgres', line);
  if (ofInitdb === undefined) symlinkSync(join(installed, 'initdb'), join(bin, 'initdb'));
  else write('initdb', ofInitdb);
  return { bin, remove: () => rmSync(bin, { recursive: true, force: true }) };
}

/** A line of shell that answers, on the socket that PostgreSQL is told to use, that it recovers, for some seconds. */
export const recoversFor = (seconds: number): string => `
for argument; do case "$argument" in unix_socket_directories=*) export SOCKET="\${argument#*=}/.s.PGSQL.5432";; esac; done
python3 - <<'PYTHON'
import os, socket, time
path = os.environ['SOCKET']
if os.path.exists(path): os.unlink(path)
listening = socket.socket(socket.AF_UNIX); listening.bind(path); listening.listen(50)
until = time.monotonic() + ${seconds}
fields = b'SFATAL\\0VFATAL\\0C57P03\\0Mthe database system is starting up\\0\\0'
while time.monotonic() < until:
    listening.settimeout(max(0.01, until - time.monotonic()))
    try: client, _ = listening.accept()
    except TimeoutError: break
    client.recv(4096); client.sendall(b'E' + (len(fields) + 4).to_bytes(4, 'big') + fields); client.close()
listening.close(); os.unlink(path)
PYTHON`;
