import type { KeyStatus, ServerStatus } from '../../../licence/serverStatus.ts';
import { aligned } from '../../../runtime/aligned.ts';
import type { Context } from '../context.ts';
import { type ExitStatus, exitStatus } from '../exitStatus.ts';
import { messageOf } from '../faultOf.ts';
import { inCommands } from '../inCommands.ts';
import { openServer, type ServerLink } from '../serverLink.ts';
import { aboutKey } from '../whatToDo.ts';

interface Finding {
  readonly check: string;
  readonly state: 'ok' | 'warn' | 'fail';
  readonly message: string;
  readonly todo?: string;
}

/** Clocks that differ by more than this make activation requests fail (the authority takes five minutes). */
const tolerableMs = 60_000;

/** `doctor NAME`: a running server looked at from outside, as its clients and Prometheus meet it. */
export async function doctor(context: Context, [name]: readonly string[]): Promise<ExitStatus> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const status = await link.call<ServerStatus>('GET', '/v1/status');
    const { keys } = await link.call<{ keys: readonly KeyStatus[] }>('GET', '/v1/keys');
    const findings: Finding[] = [
      { check: 'version', state: 'ok', message: `${status.version}, up since ${status.startedAt}` },
      ...(await readiness(link)),
      ...(await clock(link)),
      ...troubles(status),
      ...keys.map((key) => ofKey(key, server.metadata)),
      ...seats(status),
    ];
    const data = findings;
    context.print({
      data,
      columns: [{ title: '' }, { title: 'CHECK' }, { title: 'FOUND' }],
      rows: findings.map(({ check, state, message }) => [state, check, message]),
      empty: '',
    });
    const todo = findings.flatMap((finding) =>
      finding.todo === undefined ? [] : [[`→ ${finding.check}`, finding.todo]],
    );
    if (todo.length > 0) context.say(aligned(todo));
    return findings.some(({ state }) => state === 'fail') ? exitStatus.unwell : exitStatus.ok;
  } finally {
    link.close();
  }
}

async function readiness(link: ServerLink): Promise<Finding[]> {
  try {
    await link.call('GET', '/healthz/ready');
    return [{ check: 'readiness', state: 'ok', message: 'it takes requests' }];
  } catch (error) {
    return [{ check: 'readiness', state: 'fail', message: messageOf(error), todo: 'see its log' }];
  }
}

async function clock(link: ServerLink): Promise<Finding[]> {
  if (!link.url.startsWith('http:')) return [];
  const response = await fetch(`${link.url}/healthz/live`, { signal: AbortSignal.timeout(5_000) });
  const date = response.headers.get('date');
  if (date === null) return [];
  const apartMs = Math.abs(Date.parse(date) - Date.now());
  const message = `it and this computer are ${Math.round(apartMs / 1_000)} s apart`;
  return apartMs < tolerableMs
    ? [{ check: 'clock', state: 'ok', message }]
    : [
        {
          check: 'clock',
          state: 'warn',
          message,
          todo: 'one of the two clocks is wrong; the authority takes five minutes either way',
        },
      ];
}

const troubles = ({ trouble, ruleDoubts = [] }: ServerStatus): Finding[] => [
  trouble === undefined
    ? { check: 'trouble', state: 'ok', message: 'it complains of nothing' }
    : { check: 'trouble', state: 'fail', message: trouble },
  ...ruleDoubts.map((message): Finding => ({ check: 'seat rules', state: 'warn', message })),
];

function ofKey(key: KeyStatus, metadata: { readonly namespace: string; readonly name: string }): Finding {
  const check = `key ${key.name ?? key.keyId}`;
  if (key.fault === undefined) return { check, state: key.state === 'Active' ? 'ok' : 'warn', message: key.state };
  const todo = aboutKey[key.fault.reason]({ ...metadata, key: key.name });
  return { check, state: key.state === 'Refused' ? 'fail' : 'warn', message: inCommands(key.fault.message), todo };
}

const seats = ({ products }: ServerStatus): Finding[] =>
  products.map(({ product, seatsInUse, seatLimit, seatsStale }) => ({
    check: `seats of ${product}`,
    state: seatLimit > 0 && seatsInUse >= seatLimit ? 'warn' : 'ok',
    message: `${seatsInUse} of ${seatLimit} in use, ${seatsStale} stale`,
  }));
