import type { FastifyReply, FastifyRequest } from 'fastify';
import { denialReasons } from '../../licence/words.ts';
import type { Http } from '../../runtime/httpShell.ts';
import { heartbeatAfter, momentOf, sendDenied, sendJson } from './answers.ts';
import * as schemas from './clientSchemas.ts';
import { licenceInForce, supportState } from './entitlement.ts';
import { askedOf, fold, holderOf } from './holderKey.ts';
import type { PoolInfo } from './pools.ts';
import { type ProofSigner, proofOf } from './proof.ts';
import { sizeOf } from './recount.ts';
import {
  borrowFault,
  borrowLimit,
  borrowNotLicensed,
  capText,
  featureText,
  hasEnded,
  instanceConflict,
  lacksFeature,
  lacksSupport,
  licenceEnded,
  reasonOf,
  reasonOfCap,
  shortageText,
  supportEnded,
  unknownProduct,
} from './refusals.ts';
import {
  type CheckOutRequest,
  instanceOf,
  invalid,
  type ReportedSession,
  readCheckOut,
  readLeaseId,
  readLeaseIds,
  readSessions,
  type SessionReport,
} from './requests.ts';
import { type ClaimResult, shortageOf } from './seatLane.ts';
import type { SeatMetrics } from './seatMetrics.ts';
import type { RuleCap } from './seatRules.ts';
import { queueMs, type SeatStore } from './store.ts';

/** Signs proofs, and knows the activation behind a licence. */
export interface Prover extends ProofSigner {
  activationOf(keyId: string): string | undefined;
}

const client = { role: 'client' };
/** Routes that validate and serialize by hand: the schema only documents them. */
const raw = (handler: (request: FastifyRequest, reply: FastifyReply) => void) => handler as never;
const unchecked = { validatorCompiler: () => () => true, attachValidation: false };
const operation = (operationId: string, summary: string) => ({ operationId, summary, tags: ['seats'] });

/** The routes of client programs: check out, renew, release, report. */
export function registerSeatRoutes(http: Http, store: SeatStore, metrics: SeatMetrics, prover: Prover): void {
  const { leaseMs } = store;

  const granted = (
    reply: FastifyReply,
    pool: PoolInfo,
    request: CheckOutRequest,
    result: ClaimResult & { readonly untilMs?: number },
  ) => {
    const { entitlement } = pool;
    const expiresAtMs = result.untilMs ?? (request.mode === 'leased' ? result.nowMs + leaseMs : undefined);
    const times =
      expiresAtMs === undefined
        ? ''
        : result.untilMs !== undefined
          ? `,"expiresAt":"${momentOf(expiresAtMs)}"`
          : `,"expiresAt":"${momentOf(expiresAtMs)}","heartbeatAfterSeconds":${heartbeatAfter(leaseMs)}`;
    const state = supportState(entitlement, request.releasedAtMs, result.nowMs);
    const until = entitlement.supportUntil === undefined ? '' : `,"until":"${entitlement.supportUntil}"`;
    let proof = '';
    // what is taken along has to prove itself where no server is
    const nonce = request.nonce ?? (result.untilMs === undefined ? undefined : result.leaseId);
    if (nonce !== undefined) {
      const activation = prover.activationOf(licenceInForce(entitlement, result.nowMs)?.keyId ?? '');
      const { product, holder, shown } = request;
      const signed = proofOf(prover, activation, {
        product,
        holder: shown ?? holder,
        leaseId: result.leaseId,
        nonce,
        nowMs: result.nowMs,
        expiresAtMs,
      });
      proof = `,"proof":"${signed}"`;
    }
    sendJson(
      reply,
      result.code === 'granted' ? 201 : 200,
      `{"leaseId":"${result.leaseId}"${times},"seats":{"limit":${result.seatLimit},"inUse":${result.inUse}},"support":{"state":"${state}"${until}}${pool.terms}${askedText(pool, request.holder)}${result.overdrawn ? ',"overdraft":true' : ''}${proof}}`,
    );
  };

  const denied = (reply: FastifyReply, pool: PoolInfo, request: CheckOutRequest, result: ClaimResult) => {
    const { product } = request;
    const expired = hasEnded(pool.entitlement);
    const reason = expired ? 'KeyExpired' : reasonOf(result.shortage);
    metrics.checkedOut(product, 'denied', reason);
    store.noteDenial(product, request, reason);
    if (expired) return sendDenied(reply, reason, licenceEnded(product, pool.entitlement), {});
    const { place, inUse, seatLimit, reservedFree } = result;
    const after = place === undefined ? 5 + Math.floor(Math.random() * 6) : Math.min(2 + place, queueMs / 1_500);
    const detail = `${shortageText(product, result, sizeOf(request.holder, pool.entitlement.weights))}; ask again after ${after} s, or wait in the queue with "wait"`;
    sendDenied(reply, reason, detail, { inUse, seatLimit, reserved: reservedFree, place }, after);
  };

  /** A rule keeps the holder out, at all or for now; nobody waits in the queue for that. */
  const barred = (reply: FastifyReply, request: CheckOutRequest, cap: RuleCap | undefined) => {
    const { product } = request;
    const reason = reasonOfCap(cap);
    metrics.checkedOut(product, 'denied', reason);
    store.noteDenial(product, request, reason);
    const after = reason === 'RuleLimit' ? 5 + Math.floor(Math.random() * 6) : undefined;
    sendDenied(reply, reason, capText(product, cap), { rule: cap?.rule }, after);
  };

  /** Asks the ledger, and again whenever a seat may have come free, until the request has waited long enough. */
  const ask = (
    request: FastifyRequest,
    reply: FastifyReply,
    pool: PoolInfo,
    wanted: CheckOutRequest,
    untilMs: number,
  ) => {
    const { product, holder } = wanted;
    const subject = request.subject?.podUid;
    const failed = (error: unknown) => reply.send(error);
    store.checkOut(
      pool,
      wanted,
      wanted.waitSeconds > 0,
      subject,
      (result, ruled) => {
        // a seat that was had stays with its holder, though its connection is gone: it may have asked on another one
        if (result.code !== 'denied') {
          metrics.checkedOut(product, result.code, '');
          if (result.code === 'granted') store.denials.granted(product, holder);
          return granted(reply, pool, wanted, result);
        }
        if (result.cap !== undefined) return barred(reply, wanted, ruled?.caps[result.cap]);
        const now = performance.now();
        // who has no place in the queue asks for more than could ever be free
        if (untilMs <= now || pool.entitlement.seatLimit === 0 || result.place === undefined)
          return denied(reply, pool, wanted, result);
        const { socket } = request.raw;
        if (socket.destroyed) return store.leaveQueue(pool, holder, result.nowMs);
        const gone = () => {
          if (leave()) store.leaveQueue(pool, holder, result.nowMs);
        };
        const again = () => socket.off('close', gone);
        const leave = store.waitingRoom.enter(
          pool.poolId,
          holder,
          {
            retry: () => {
              again();
              ask(request, reply, pool, wanted, untilMs);
            },
            giveUp: () => {
              again();
              denied(reply, pool, wanted, result);
            },
          },
          untilMs,
          now,
        );
        socket.once('close', gone);
      },
      failed,
    );
  };

  /** Takes a seat along. */
  const borrow = async (
    request: FastifyRequest,
    reply: FastifyReply,
    pool: PoolInfo,
    wanted: CheckOutRequest,
    hours: number,
  ) => {
    const { product } = wanted;
    const { entitlement } = pool;
    const terms = entitlement.borrow;
    const refuse = (reason: 'BorrowNotLicensed' | 'BorrowLimit', detail: string, more = {}) => {
      metrics.checkedOut(product, 'denied', reason);
      store.noteDenial(product, wanted, reason);
      sendDenied(reply, reason, detail, more);
    };
    if (terms === undefined) return refuse('BorrowNotLicensed', borrowNotLicensed(product));
    const fault = borrowFault(entitlement, product, hours);
    if (fault !== undefined) throw invalid(fault);
    const { result, ruled } = await store.borrow(pool, wanted, hours, request.subject?.podUid);
    const { code, inUse, seatLimit } = result;
    if (code === 'B')
      return refuse('BorrowLimit', borrowLimit(product, result.lent, seatLimit - terms.keepFree), { inUse, seatLimit });
    if (code === 'L') return barred(reply, wanted, ruled?.caps[result.cap - 1]);
    const claim: ClaimResult = {
      ...result,
      code: code === 'R' ? 'renewed' : code === 'G' || code === 'O' ? 'granted' : 'denied',
      shortage: shortageOf(code),
      overdrawn: code === 'O',
      cap: undefined,
      place: undefined,
    };
    if (claim.code === 'denied') return denied(reply, pool, wanted, claim);
    metrics.checkedOut(product, claim.code, '');
    if (claim.code === 'granted') store.denials.granted(product, wanted.holder);
    granted(reply, pool, wanted, { ...claim, untilMs: result.untilMs });
  };

  /** Goes on if the instance owns the name of the base, or takes it; else the answer is a refusal. */
  const ifOwned = (reply: FastifyReply, base: string, instance: string, go: () => void, refused = () => {}) => {
    const answer = (owns: boolean) => {
      if (owns) return go();
      refused();
      sendDenied(reply, 'BaseInstanceConflict', instanceConflict(base, instance), {});
    };
    const key = fold(base);
    const verdict = store.owners.verdict(key, instance);
    if (verdict !== 'unknown') answer(verdict === 'own');
    else store.owners.claim(key, base, instance).then(answer, (error: unknown) => void reply.send(error));
  };

  http.post(
    '/v1/checkouts',
    {
      config: { ...client, refusals: { 409: denialReasons } },
      ...unchecked,
      schema: {
        ...operation('checkOut', 'Take a seat, or renew the one that this holder has'),
        body: schemas.checkOutBody,
        response: { 200: schemas.grant, 201: schemas.grant, 409: schemas.denied },
      },
    },
    raw((request, reply) => {
      const startedMs = performance.now();
      const wanted = readCheckOut(request.body);
      const { product } = wanted;
      const pool = store.pool(product);
      if (pool === undefined) {
        metrics.checkedOut('', 'denied', 'ProductUnknown'); // any text may be asked for: no label
        store.noteDenial(product, wanted, 'ProductUnknown');
        sendDenied(reply, 'ProductUnknown', unknownProduct(product), {});
        return;
      }
      const { entitlement } = pool;
      if (lacksSupport(entitlement, wanted.releasedAtMs)) {
        metrics.checkedOut(product, 'denied', 'SupportRequired');
        store.noteDenial(product, wanted, 'SupportRequired');
        sendDenied(reply, 'SupportRequired', supportEnded(product, entitlement), {});
        return;
      }
      if (lacksFeature(entitlement, wanted.feature)) {
        metrics.checkedOut(product, 'denied', 'FeatureNotLicensed');
        store.noteDenial(product, wanted, 'FeatureNotLicensed');
        return sendDenied(reply, 'FeatureNotLicensed', featureText(product, wanted.feature), {});
      }
      if (wanted.waitSeconds === 0)
        reply.raw.once('finish', () => metrics.took((performance.now() - startedMs) / 1000));
      const { hours } = wanted;
      const go = () => {
        if (hours !== undefined)
          return void borrow(request, reply, pool, wanted, hours).catch((error: unknown) => reply.send(error));
        ask(request, reply, pool, wanted, wanted.waitSeconds === 0 ? 0 : performance.now() + wanted.waitSeconds * 1000);
      };
      if (wanted.instance === undefined) return go();
      const { base, instance } = wanted;
      ifOwned(reply, base, instance, go, () => {
        metrics.checkedOut(product, 'denied', 'BaseInstanceConflict');
        store.noteDenial(product, wanted, 'BaseInstanceConflict');
      });
    }),
  );

  http.post(
    '/v1/leases/:leaseId/heartbeat',
    {
      config: { ...client, refusals: { 410: ['LeaseLost'] } },
      ...unchecked,
      schema: {
        ...operation('heartbeat', 'Renew a lease'),
        params: schemas.leaseParams,
        response: { 200: schemas.heartbeatAnswer },
      },
    },
    raw((request, reply) => {
      const leaseId = readLeaseId((request.params as { leaseId: string }).leaseId);
      store.heartbeat(
        [leaseId],
        (outcomes, nowMs) => {
          const outcome = typeof outcomes === 'string' ? outcomes : outcomes[0];
          if (outcome === 'lost') {
            metrics.heartbeats('lost', 1);
            reply.code(410).header('content-type', 'application/problem+json').send(leaseLost);
            return;
          }
          metrics.heartbeats('renewed', 1);
          if (outcome === 'kept') sendJson(reply, 200, '{}');
          else
            sendJson(
              reply,
              200,
              `{"expiresAt":"${momentOf(nowMs + leaseMs)}","heartbeatAfterSeconds":${heartbeatAfter(leaseMs)}}`,
            );
        },
        (error) => reply.send(error),
      );
    }),
  );

  http.post(
    '/v1/heartbeats',
    {
      config: client,
      ...unchecked,
      schema: {
        ...operation('heartbeats', 'Renew many leases in one call'),
        body: schemas.heartbeatsBody,
        response: { 200: schemas.heartbeatsAnswer },
      },
    },
    raw((request, reply) => {
      const leaseIds = readLeaseIds(request.body);
      store.heartbeat(
        leaseIds,
        (outcomes, nowMs) => {
          const lost = typeof outcomes === 'string' ? [] : leaseIds.filter((_, i) => outcomes[i] === 'lost');
          const renewed = leaseIds.length - lost.length;
          metrics.heartbeats('renewed', renewed);
          if (lost.length > 0) metrics.heartbeats('lost', lost.length);
          sendJson(
            reply,
            200,
            `{"expiresAt":"${momentOf(nowMs + leaseMs)}","heartbeatAfterSeconds":${heartbeatAfter(leaseMs)},"renewed":${renewed},"lost":${JSON.stringify(lost)}}`,
          );
        },
        (error) => reply.send(error),
      );
    }),
  );

  http.delete(
    '/v1/leases/:leaseId',
    {
      config: client,
      ...unchecked,
      schema: {
        ...operation('giveBack', 'Give a seat back'),
        params: schemas.leaseParams,
        querystring: schemas.giveBackQuery,
        response: { 204: schemas.nothing },
      },
    },
    raw((request, reply) => {
      const leaseId = readLeaseId((request.params as { leaseId: string }).leaseId);
      const instance = instanceOf((request.query as { instance?: unknown }).instance);
      const given = instance === undefined ? store.release(leaseId, 'holder') : store.releaseFor(leaseId, instance);
      given.then(
        () => reply.code(204).send(),
        (error) => reply.send(error),
      );
    }),
  );

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

/** What a grant is of, as members of an answer: the feature, and how many seats where it is more than one. */
function askedText(pool: PoolInfo, holder: string): string {
  const { feature } = askedOf(holder);
  const size = sizeOf(holder, pool.entitlement.weights);
  return `${feature === undefined ? '' : `,"feature":${JSON.stringify(feature)}`}${size === 1 ? '' : `,"seatsTaken":${size}`}`;
}

/**
 * Reports a base. Where a licence demands support, and the program has none, or has not the feature, newcomers are left out; who holds a seat keeps it,
 * as one does who checked out in time. `places`: where each session stands in the result, -1 for those left out.
 */
async function reportSupported(store: SeatStore, { base, instance, sessions }: SessionReport) {
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

const leaseLost = JSON.stringify({
  type: 'about:blank',
  title: 'LeaseLost',
  status: 410,
  reason: 'LeaseLost',
  detail: 'the lease has ended: it expired, was given back or was taken back; check out again',
});
