import type { KeyCheckResponse, KeyStatus, ServerStatus } from '../../licence/serverStatus.ts';
import type { Holder } from '../../licence/words.ts';
import { ApiRefused, createCaller, query } from '../shared/call.ts';
import type { ActivationAnswer } from './logic/activationAnswer.ts';
import type {
  AssignmentList,
  AuditPage,
  DenialPage,
  Explained,
  Identity,
  LeasePage,
  PeoplePage,
  ProductList,
  Simulation,
  Usage,
} from './wire.ts';

export interface LeaseFilter {
  readonly product?: string;
  readonly state?: string;
  readonly base?: string;
  readonly user?: string;
  readonly host?: string;
  /** Parts of names. */
  readonly search?: string;
  readonly sort?: string;
}

/** The part of the server's HTTP interface that the page uses. Every function throws ApiRefused. */
export type Api = ReturnType<typeof createApi>;

/** @param token the administrator's; undefined where access is open */
export function createApi(token: string | undefined, timeoutMs = 30_000) {
  // not Authorization: a proxy that asks for a password of its own may need that one
  const headers = () => (token === undefined ? {} : { 'x-licence-token': token });
  const { call, answerOf, linesOf } = createCaller(headers, timeoutMs);
  const of = (id: string) => encodeURIComponent(id);

  return {
    status: () => call<ServerStatus>('GET', 'v1/status'),
    products: () => call<ProductList>('GET', 'v1/products'),
    identity: () => call<Identity>('GET', 'v1/identity'),
    leases: (filter: LeaseFilter, cursor?: string) =>
      call<LeasePage>('GET', `v1/leases${query({ ...filter, cursor, limit: '100' })}`),
    people: (filter: { product: string; search: string }, cursor?: string) =>
      call<PeoplePage>('GET', `v1/people${query({ ...filter, cursor, limit: '100' })}`),
    releaseLease: (leaseId: string, reason: string) =>
      call<unknown>('POST', `v1/leases/${of(leaseId)}:release`, { reason }),
    writeOffLease: (leaseId: string, reason: string) =>
      call<unknown>('POST', `v1/leases/${of(leaseId)}:writeOff`, { reason }),
    assignments: () => call<AssignmentList>('GET', 'v1/assignments'),
    changeAssignments: (
      product: string,
      change: { assign?: readonly string[]; remove?: readonly string[]; table?: string },
    ) => call<{ assigned: number; removed: number }>('POST', 'v1/assignments:change', { product, ...change }),
    assignmentsCsv: (product: string) => answerOf('GET', `v1/assignments.csv${query({ product })}`),
    releaseStale: (reason: string, product?: string) =>
      call<{ released: number }>('POST', 'v1/stale:release', { reason, ...(product ? { product } : {}) }),
    denials: (filter: { product: string; from: number; limit: number }) =>
      call<DenialPage>(
        'GET',
        `v1/denials${query({ product: filter.product, from: moment(filter.from), limit: String(filter.limit) })}`,
      ),
    explain: (product: string, holder: Holder) => call<Explained>('POST', 'v1/checkouts:explain', { product, holder }),
    /** Tells how far it is, from 0 to 1; ends with the signal. */
    simulate: async (
      body: { product: string; days: number; seats: number },
      progress: (done: number) => void,
      signal: AbortSignal,
    ): Promise<Simulation> => {
      for await (const line of linesOf('v1/rules:simulate', body, signal)) {
        const { progress: at, result, error } = line as SimulationLine;
        if (at !== undefined) progress(at.done);
        if (result !== undefined) return result;
        if (error !== undefined) throw new ApiRefused({ status: 500, ...error });
      }
      throw new ApiRefused({ status: 0, reason: 'Unreachable', detail: 'the answer broke off' });
    },
    /** Acts of administrators, the newest first. */
    audit: (limit: number) => call<AuditPage>('GET', `v1/audit${query({ limit: String(limit) })}`),
    usage: (from: number, to: number, stepSeconds: number, product?: string) =>
      call<Usage>(
        'GET',
        `v1/usage${query({ from: moment(from), to: moment(to), step: String(stepSeconds), product })}`,
      ),
    usageCsv: (from: number, to: number, stepSeconds: number, product: string) =>
      answerOf(
        'GET',
        `v1/usage.csv${query({ from: moment(from), to: moment(to), step: String(stepSeconds), product })}`,
      ),
    keys: () => call<{ keys: KeyStatus[] }>('GET', 'v1/keys'),
    checkKey: (key: string) => call<KeyCheckResponse>('POST', 'v1/keys:check', { key }),
    installKey: (key: string) => call<KeyStatus>('POST', 'v1/keys', { key, source: 'web' }),
    removeKey: (keyId: string) =>
      call<unknown>('DELETE', `v1/keys/${of(keyId)}`).catch((error: unknown) => {
        throw error instanceof ApiRefused && error.refusal.status === 404
          ? new ApiRefused({ ...error.refusal, reason: 'KeyNotInstalled' })
          : error;
      }),
    /** The request of a key that the configuration names, or of one that a person types. */
    activationRequest: (of: { name: string } | { key: string }) =>
      'name' in of
        ? call<unknown>('GET', `v1/activation/request${query(of)}`)
        : call<unknown>('POST', 'v1/activation/request', of),
    activationResponse: (response: ActivationAnswer) =>
      call<KeyStatus>('POST', 'v1/activation/response', { ...response, source: 'web' }),
  };
}

interface SimulationLine {
  readonly progress?: { readonly done: number };
  readonly result?: Simulation;
  readonly error?: { readonly reason: string; readonly detail: string };
}

/** RFC 3339 in UTC with whole seconds. */
const moment = (at: number): string => `${new Date(at).toISOString().slice(0, 19)}Z`;
