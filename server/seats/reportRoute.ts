import type { FastifyReply } from 'fastify';
import type { Http } from '../../runtime/httpShell.ts';
import { sendJson } from './answers.ts';
import { client, operation, raw, unchecked } from './clientRoute.ts';
import * as schemas from './clientSchemas.ts';
import { askedOf, holderOf } from './holderKey.ts';
import { ownershipCheck } from './ownershipCheck.ts';
import { hasEnded, lacksFeature, lacksSupport, reasonOf, reasonOfCap, refusedByTerms } from './refusals.ts';
import { type ReportedSession, readSessions, type SessionReport } from './requests.ts';
import { shortageOf } from './seatLane.ts';
import type { SeatMetrics } from './seatMetrics.ts';
import type { SeatStore } from './store.ts';

/** Takes session reports. */
export function registerReports(http: Http, store: SeatStore, metrics: SeatMetrics): void {
  const ifOwned = ownershipCheck(store);

  http.put(
    '/v1/bases/:base/sessions',
    {
      config: { ...client, refusals: { 409: ['BaseInstanceConflict'] } },
      ...unchecked,
      schema: {
        ...operation(
          'reportSessions',
          'Session report: everybody who is in this base now; the absent give their seats back',
        ),
        params: schemas.baseParams,
        body: schemas.sessionsBody,
        response: { 200: schemas.sessionsAnswer, 409: schemas.denied },
      },
    },
    raw((request, reply) => {
      const report = readSessions((request.params as { base: string }).base, request.body);
      const { base, instance } = report;
      if (instance === undefined) reported(reply, report);
      else ifOwned(reply, base, instance, () => reported(reply, report));
    }),
  );

  /** Hands a report to the ledger, and answers what it did with each session. */
  function reported(reply: FastifyReply, report: SessionReport): void {
    const { base, sessions } = report;
    reportSupported(store, report).then(
      ({ result, places }) => {
        const rows = sessions.map(({ product, holder, shown }, n) => {
          const i = places[n] ?? -1;
          const code = result.codes[i];
          const { user, host, session } = holderOf(shown ?? holder);
          const who = `{"product":${JSON.stringify(product)},"user":${JSON.stringify(user)},"host":${JSON.stringify(host)},"session":${JSON.stringify(session)}`;
          if (code === 'G' || code === 'R' || code === 'O') {
            const outcome = code === 'R' ? 'renewed' : 'granted';
            metrics.checkedOut(product, outcome, '');
            if (code !== 'R') store.denials.granted(product, holder);
            const overdraft = code === 'O' ? ',"overdraft":true' : '';
            return `${who},"outcome":"${outcome}","leaseId":"${result.leaseIds[i]}"${overdraft}}`;
          }
          const pool = store.pool(product);
          const entitlement = pool?.entitlement;
          const cap = code === 'L' ? pool?.rulesOf?.(holder).caps[Number(result.caps?.[i]) - 1] : undefined;
          const expired = entitlement !== undefined && hasEnded(entitlement);
          const reason =
            entitlement === undefined
              ? 'ProductUnknown'
              : expired
                ? 'KeyExpired'
                : i < 0
                  ? lacksFeature(entitlement, askedOf(holder).feature)
                    ? 'FeatureNotLicensed'
                    : 'SupportRequired'
                  : code === 'A'
                    ? 'NotAssigned'
                    : code === 'L'
                      ? reasonOfCap(cap)
                      : reasonOf(shortageOf(code));
          metrics.checkedOut(entitlement === undefined ? '' : product, 'denied', reason);
          store.noteDenial(product, { holder, shown }, reason);
          const rule = cap === undefined ? '' : `,"rule":"${cap.rule}"`;
          return `${who},"outcome":"denied","reason":"${reason}"${rule}}`;
        });
        sendJson(
          reply,
          200,
          `{"base":${JSON.stringify(base)},"released":${result.released},"sessions":[${rows.join(',')}],"products":[${termsOf(sessions)}]}`,
        );
      },
      (error) => reply.send(error),
    );
  }

  /** What the licences of the products of a report grant beside seats. */
  const termsOf = (sessions: readonly ReportedSession[]): string =>
    [...new Set(sessions.map((s) => s.product))]
      .flatMap((product) => {
        const pool = store.pool(product);
        return pool === undefined ? [] : [`{"product":${JSON.stringify(product)}${pool.terms}}`];
      })
      .join(',');
}

/**
 * Reports a base. Where a licence demands support, and the program has none, or has not the feature, newcomers are left out; who holds a seat keeps it,
 * as one does who checked out in time. `places`: where each session stands in the result, -1 for those left out.
 */
async function reportSupported(store: SeatStore, { base, instance, sessions }: SessionReport) {
  if (sessions.some((s) => refusedByTerms(store.pool(s.product)?.entitlement, s))) await store.termsAgain.done();
  const doubtful = sessions.filter(({ product, releasedAtMs, feature }) => {
    const entitlement = store.pool(product)?.entitlement;
    return entitlement !== undefined && (lacksSupport(entitlement, releasedAtMs) || lacksFeature(entitlement, feature));
  });
  if (doubtful.length === 0)
    return { result: await store.report(base, sessions, instance), places: sessions.map((_, i) => i) };
  const out = new Set<ReportedSession>();
  for (const [product, of] of Map.groupBy(doubtful, (s) => s.product)) {
    const pool = store.pool(product);
    const holding =
      pool === undefined
        ? undefined
        : await store.holding(
            pool,
            of.map((s) => s.holder),
          );
    for (const session of of) if (!holding?.has(session.holder)) out.add(session);
  }
  const taken = sessions.filter((s) => !out.has(s));
  const result = await store.report(base, taken, instance);
  return { result, places: sessions.map((s) => taken.indexOf(s)) };
}
