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

const socketOfArguments = `for argument; do case "$argument" in unix_socket_directories=*) export SOCKET="\${argument#*=}/.s.PGSQL.5432";; esac; done`;

/**
 * A line of shell that, for the first time, is a PostgreSQL which comes up, answers two clients, and has ended by the time when the
 * second one says goodbye: its connection outlives it by a second. `mark` is a file that is not there.
 */
export const endsOnceItIsUp = (mark: string): string => `
${socketOfArguments}
if mkdir '${mark}' 2>/dev/null; then exec python3 - <<'PYTHON'
import os, socket, struct, time
path = os.environ['SOCKET']
if os.path.exists(path): os.unlink(path)
listening = socket.socket(socket.AF_UNIX); listening.bind(path); listening.listen(50)
idle = b'Z' + struct.pack('!i', 5) + b'I'
def take(client, size):
    data = b''
    while len(data) < size:
        more = client.recv(size - len(data))
        if not more: return b''
        data += more
    return data
for number in (1, 2):
    client, _ = listening.accept()
    take(client, struct.unpack('!i', take(client, 4))[0] - 4)
    client.sendall(b'R' + struct.pack('!ii', 8, 0) + idle)
    while True:
        kind = take(client, 1)
        if kind in (b'', b'X'): break
        take(client, struct.unpack('!i', take(client, 4))[0] - 4)
        client.sendall(b'C' + struct.pack('!i', 13) + b'SELECT 1\\0' + idle)
    if number == 1: client.close()
listening.close(); os.unlink(path)
if os.fork() == 0: time.sleep(1)
os._exit(1)
PYTHON
fi`;

/** A line of shell that answers, on the socket that PostgreSQL is told to use, that it recovers, for some seconds. */
export const recoversFor = (seconds: number): string => `
${socketOfArguments}
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
