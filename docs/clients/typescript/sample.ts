import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import createClient from 'openapi-fetch';
import { verifyProof } from './proof.ts';
import type { components, paths } from './schema.d.ts';

// Takes a seat, keeps it, reports a base, gives the seat back: openapi-fetch with the types that openapi-typescript made of /openapi.json.

type Grant = components['schemas']['CheckOutResult'];
const clientOf = (url: string, token: string) =>
  createClient<paths>({ baseUrl: url, headers: { authorization: `Bearer ${token}` } });
type Client = ReturnType<typeof clientOf>;

// In docs/client.md
async function withSeat<T>(client: Client, keys: Keys, work: (grant: Grant) => Promise<T>): Promise<T> {
  const holder = { base: 'trade', user: 'anna', host: 'pc-1', session: String(process.pid) };
  const asked = { product: 'erp', nonce: randomUUID() };
  const { data: grant, error } = await client.POST('/v1/checkouts', { body: { ...asked, holder } });
  if (error) throw new Error(`${error.reason}: ${error.detail}`); // of 409 a SeatProblem, with the counts of seats
  await verifyProof(grant.proof ?? '', keys, asked);
  try {
    return await work(grant); // POST '/v1/leases/{leaseId}/heartbeat' whenever grant.heartbeatAfterSeconds are over
  } finally {
    await client.DELETE('/v1/leases/{leaseId}', { params: { path: { leaseId: grant.leaseId } } });
  }
}
// end

type Keys = Parameters<typeof verifyProof>[1];
const [first = '', file = '', base = ''] = process.argv.slice(2);

async function report(client: Client, users: readonly string[]) {
  const sessions = users.map((user) => ({ product: 'erp', user, host: 'pc-2' }));
  const { data, error } = await client.PUT('/v1/bases/{base}/sessions', {
    params: { path: { base } },
    body: { base, sessions },
  });
  if (error) throw new Error(error.detail);
  return data;
}
const heartbeat = (client: Client, leaseId: string) =>
  client.POST('/v1/leases/{leaseId}/heartbeat', { params: { path: { leaseId } } });

async function work(client: Client, grant: Grant) {
  const { data: beat, error } = await heartbeat(client, grant.leaseId);
  if (error) throw new Error(error.detail);
  const reported = await report(client, ['Борис', 'vera']);
  const refusal = await client.POST('/v1/checkouts', {
    body: { product: 'erp', holder: { base: 'trade', user: 'grigory', host: 'pc-3' } },
  });
  if (refusal.error === undefined || !('seats' in refusal.error))
    throw new Error('not refused with the counts of seats');
  const { reason, seats } = refusal.error;
  return {
    leaseId: grant.leaseId,
    expiresAt: grant.expiresAt,
    support: grant.support.state,
    limit: grant.seats.limit,
    beat: Date.parse(beat.expiresAt ?? '') >= Date.parse(grant.expiresAt ?? ''),
    outcomes: reported.sessions.map((session) => session.outcome),
    refused: { reason, limit: seats?.limit, inUse: seats?.inUse },
    released: (await report(client, [])).released,
    base: reported.base,
  };
}

const given = JSON.parse(readFileSync(file, 'utf8'));
if (first === 'verify') {
  for (const { proof, jwks, product, nonce, now } of given) {
    const told = await verifyProof(proof, jwks, { product, nonce }, now * 1000).then(
      (lease) => lease.leaseId,
      (error) => ({ refused: error.message }),
    );
    console.log(JSON.stringify(told));
  }
} else {
  const client = clientOf(first, process.env.LICENCE_TOKEN ?? '');
  const done = await withSeat(client, given, (grant) => work(client, grant));
  const { error } = await heartbeat(client, done.leaseId);
  console.log(JSON.stringify({ ...done, afterwards: error?.reason }));
}
