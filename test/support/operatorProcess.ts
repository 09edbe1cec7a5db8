import { readFileSync } from 'node:fs';
import { type Daemon, startDaemon, until } from '../../cluster/process.ts';
import { repository } from './sources.ts';

/** The operator as its own process, from the sources, with the settings given. */
export interface OperatorProcess extends AsyncDisposable {
  readonly pid: number;
  readonly daemon: Daemon;
  /** Address of metrics and probes. */
  readonly url: string;
  /** The lines of its log so far. */
  lines(): Record<string, unknown>[];
  /** Bytes of live JavaScript objects, after a full garbage collection. */
  liveHeap(): Promise<number>;
}

export async function startOperatorProcess(
  logFile: string,
  env: Readonly<Record<string, string>>,
  start: typeof startDaemon = startDaemon,
): Promise<OperatorProcess> {
  const daemon = await start('operator', process.execPath, ['--inspect=127.0.0.1:0', 'operator/main.ts'], {
    logFile,
    cwd: repository,
    env: { OPERATOR_LISTEN: '127.0.0.1:0', ...env },
  });
  const text = () => readFileSync(logFile, 'utf8');
  const lines = () =>
    text()
      .split('\n')
      .filter((line) => line.startsWith('{') && line.endsWith('}'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const working = () => lines().find((line) => line.msg === 'working');
  await until('the operator to work', 60_000, () => working() !== undefined, [daemon]);
  const inspector = /Debugger listening on (ws:\S+)/.exec(text())?.[1] ?? '';
  return {
    pid: daemon.pid,
    daemon,
    url: String(lines().find((line) => line.msg === 'started')?.address ?? ''),
    lines,
    liveHeap: async () => {
      await ask(inspector, 'HeapProfiler.collectGarbage');
      const { usedSize } = (await ask(inspector, 'Runtime.getHeapUsage')) as { readonly usedSize: number };
      return usedSize;
    },
    [Symbol.asyncDispose]: () => daemon.stop(),
  };
}

/** One question to a process's inspector. */
async function ask(url: string, method: string): Promise<unknown> {
  const socket = new WebSocket(url);
  try {
    return await new Promise((resolve, reject) => {
      socket.onopen = () => socket.send(JSON.stringify({ id: 1, method }));
      socket.onerror = () => reject(new Error(`the inspector at ${url} does not answer`));
      socket.onmessage = ({ data }) => resolve((JSON.parse(String(data)) as { result: unknown }).result);
    });
  } finally {
    socket.close();
  }
}
