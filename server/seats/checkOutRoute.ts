import type { FastifyReply, FastifyRequest } from 'fastify';
import { denialReasons } from '../../licence/words.ts';
import type { Http } from '../../runtime/httpShell.ts';
import { heartbeatAfter, momentOf, sendDenied, sendJson } from './answers.ts';
import { client, operation, raw, unchecked } from './clientRoute.ts';
import * as schemas from './clientSchemas.ts';
import { licenceInForce, supportState } from './entitlement.ts';
import { askedOf } from './holderKey.ts';
import { ownershipCheck } from './ownershipCheck.ts';
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
  lacksFeature,
  lacksSupport,
  licenceEnded,
  notAssigned,
  reasonOf,
  reasonOfCap,
  refusedByTerms,
  shortageText,
  supportEnded,
  unknownProduct,
} from './refusals.ts';
import { type CheckOutRequest, invalid, readCheckOut } from './requests.ts';
import { type ClaimResult, shortageOf } from './seatLane.ts';
import type { SeatMetrics } from './seatMetrics.ts';
import type { RuleCap } from './seatRules.ts';
import { queueMs, type SeatStore } from './store.ts';

/** Signs proofs, and knows the activation behind a licence. */
export interface Prover extends ProofSigner {
  activationOf(keyId: string): string | undefined;
}

/** Takes a seat, renews one, or takes it along; waits in the queue where that is wished. */
export function registerCheckOut(http: Http, store: SeatStore, metrics: SeatMetrics, prover: Prover): void {
  const { leaseMs } = store;
  const ifOwned = ownershipCheck(store);

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
    const size = sizeOf(request.holder, pool.entitlement.weights);
    const text = shortageText(product, result, size);
    const counts = { inUse, seatLimit, reserved: reservedFree, place };
    // no time will change that
    if (size > 1 && size > Math.max(seatLimit, pool.entitlement.overdraftSeats))
      return sendDenied(reply, reason, `${text}; ask for fewer, or the vendor for more`, counts);
    const after = place === undefined ? 5 + Math.floor(Math.random() * 6) : Math.min(2 + place, queueMs / 1_500);
    sendDenied(reply, reason, `${text}; ask again after ${after} s, or wait in the queue with "wait"`, counts, after);
  };

  /** No seat is assigned to the user, and nobody waits in the queue for that. */
  const unassigned = (reply: FastifyReply, { entitlement }: PoolInfo, request: CheckOutRequest) => {
    const { product } = request;
    const ended = hasEnded(entitlement);
    const reason = ended ? 'KeyExpired' : 'NotAssigned';
    metrics.checkedOut(product, 'denied', reason);
    store.noteDenial(product, request, reason);
    sendDenied(reply, reason, ended ? licenceEnded(product, entitlement) : notAssigned(product), {});
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
        if (result.unassigned) return unassigned(reply, pool, wanted);
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
    const { result, ruled } = await store.borrowed.take(pool, wanted, hours, request.subject?.podUid);
    const { code, inUse, seatLimit } = result;
    if (code === 'B')
      return refuse('BorrowLimit', borrowLimit(product, result.lent, seatLimit - terms.keepFree), { inUse, seatLimit });
    if (code === 'L') return barred(reply, wanted, ruled?.caps[result.cap - 1]);
    if (code === 'A') return unassigned(reply, pool, wanted);
    const claim: ClaimResult = {
      ...result,
      code: code === 'R' ? 'renewed' : code === 'G' || code === 'O' ? 'granted' : 'denied',
      shortage: shortageOf(code),
      overdrawn: code === 'O',
      unassigned: false,
      cap: undefined,
      place: undefined,
    };
    if (claim.code === 'denied') return denied(reply, pool, wanted, claim);
    metrics.checkedOut(product, claim.code, '');
    if (claim.code === 'granted') store.denials.granted(product, wanted.holder);
    granted(reply, pool, wanted, { ...claim, untilMs: result.untilMs });
  };

  /** Asks for a seat, if the licences grant such a one at all. */
  const checkOut = (request: FastifyRequest, reply: FastifyReply, wanted: CheckOutRequest, startedMs: number) => {
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
    if (wanted.waitSeconds === 0) reply.raw.once('finish', () => metrics.took((performance.now() - startedMs) / 1000));
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
      if (!refusedByTerms(store.pool(wanted.product)?.entitlement, wanted))
        return checkOut(request, reply, wanted, startedMs);
      store.termsAgain
        .done()
        .then(() => checkOut(request, reply, wanted, startedMs))
        .catch((error: unknown) => reply.send(error));
    }),
  );
}

/** What a grant is of, as members of an answer: the feature, and how many seats where it is more than one. */
function askedText(pool: PoolInfo, holder: string): string {
  const { feature } = askedOf(holder);
  const size = sizeOf(holder, pool.entitlement.weights);
  return `${feature === undefined ? '' : `,"feature":${JSON.stringify(feature)}`}${size === 1 ? '' : `,"seatsTaken":${size}`}`;
}
