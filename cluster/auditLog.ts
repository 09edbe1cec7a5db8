import { closeSync, existsSync, fstatSync, openSync, readSync, statSync } from 'node:fs';

/** One answered request of the API server. */
export interface AuditEntry {
  readonly user: string;
  readonly verb: string;
  /** `group/resource` or `resource`, with `/subresource` when there is one. */
  readonly resource: string;
  readonly namespace: string;
  readonly name: string;
  readonly status: number;
  /** ISO 8601, microseconds. */
  readonly at: string;
}

export const writeVerbs: ReadonlySet<string> = new Set(['create', 'update', 'patch', 'delete', 'deletecollection']);

/** What the system's own components read is not logged; everything else is, with names but without contents. */
export const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived', 'ResponseStarted'],
  rules: [
    {
      level: 'None',
      verbs: ['get', 'list', 'watch'],
      users: [
        'system:apiserver',
        'system:kube-controller-manager',
        'system:kube-scheduler',
        'system:kube-proxy',
        'system:anonymous',
        'coredns',
        'network-policies',
      ],
    },
    {
      level: 'None',
      verbs: ['get', 'list', 'watch'],
      userGroups: ['system:nodes', 'system:serviceaccounts:kube-system'],
    },
    { level: 'Metadata' },
  ],
};

/** More than any line has. */
const longestLine = 2 ** 20;

function bytesFrom(file: string, from: number): Buffer {
  const fd = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(Math.max(0, fstatSync(fd).size - from));
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, from));
  } finally {
    closeSync(fd);
  }
}

/** Bytes of whole lines so far (the last one may be half written): hand it to `readAudit` later to see only what came after. */
export function auditPosition(file: string): number {
  if (!existsSync(file)) return 0;
  const from = Math.max(0, statSync(file).size - longestLine);
  return from + bytesFrom(file, from).lastIndexOf('\n') + 1;
}

/** The entries of an audit log from a position on, oldest first. */
export function readAudit(file: string, from = 0): AuditEntry[] {
  return bytesFrom(file, from)
    .toString('utf8')
    .split('\n')
    .filter((line) => line.endsWith('}'))
    .map((line) => {
      const event = JSON.parse(line);
      const ref = event.objectRef ?? {};
      return {
        user: event.impersonatedUser?.username ?? event.user?.username ?? '',
        verb: event.verb,
        resource: [ref.apiGroup, ref.resource, ref.subresource].filter(Boolean).join('/'),
        namespace: ref.namespace ?? '',
        name: ref.name ?? '',
        status: event.responseStatus?.code ?? 0,
        at: event.requestReceivedTimestamp,
      };
    });
}
