import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { writeVerbs } from '../../cluster/auditLog.ts';

/** One answered request of the watched user. */
export interface Call {
  readonly verb: string;
  /** `resource` or `resource/subresource`, without the group. */
  readonly resource: string;
  /** `namespace/name`. */
  readonly key: string;
  readonly status: number;
  /** Milliseconds since 1970, with fractions: when it arrived and when its answer was complete. */
  readonly fromAt: number;
  readonly toAt: number;
}

/** Keeping the lease of the leader is not work on resources. */
export const isLeaderLease = (call: Call): boolean => call.resource === 'leases';
export const isWrite = (call: Call): boolean => writeVerbs.has(call.verb);
/** Lists and watches fill caches; they belong to a start, not to a reconcile. */
export const isFill = (call: Call): boolean => call.verb === 'list' || call.verb === 'watch';

/** Everything that a user asked of the API server between two moments, by `verb resource`. */
export function tally(calls: readonly Call[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { verb, resource } of calls) {
    const name = `${verb} ${resource}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

export interface AuditTail {
  /** Reads what was written since the last call and answers it, oldest first. */
  read(): readonly Call[];
  close(): void;
}

/** Follows a growing audit log for one user; each line is looked at once, whatever the size of the log. */
export function tailAudit(file: string, user: string): AuditTail {
  const fd = openSync(file, 'r');
  const mark = `"username":"${user}"`;
  let position = 0;
  let rest = '';
  return {
    read: () => {
      const size = fstatSync(fd).size;
      const calls: Call[] = [];
      while (position < size) {
        const chunk = Buffer.alloc(Math.min(size - position, 1 << 22));
        const read = readSync(fd, chunk, 0, chunk.length, position);
        if (read === 0) break;
        position += read;
        // Names and times are ASCII; a character cut in two could only stand in a message.
        const lines = (rest + chunk.subarray(0, read).toString('latin1')).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) if (line.includes(mark)) calls.push(callOf(line));
      }
      return calls;
    },
    close: () => closeSync(fd),
  };
}

function callOf(line: string): Call {
  const event = JSON.parse(line);
  const ref = event.objectRef ?? {};
  return {
    verb: event.verb,
    resource: [ref.resource ?? event.requestURI, ref.subresource].filter(Boolean).join('/'),
    key: `${ref.namespace ?? ''}/${ref.name ?? ''}`,
    status: event.responseStatus?.code ?? 0,
    fromAt: millisOf(event.requestReceivedTimestamp),
    toAt: millisOf(event.stageTimestamp),
  };
}

/** `Date.parse` drops what is below a millisecond. */
function millisOf(stamp: string): number {
  const micros = /\.\d{3}(\d{1,3})/.exec(stamp)?.[1] ?? '0';
  return Date.parse(stamp) + Number(micros.padEnd(3, '0')) / 1000;
}
