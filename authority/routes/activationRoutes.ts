import type { FastifyRequest } from 'fastify';
import type { KeyFault } from '../../licence/keyFaults.ts';
import type { Http } from '../../runtime/httpShell.ts';
import { ProblemError } from '../../runtime/problem.ts';
import { type ActivationOutcome, type ActivationsDeps, activate, checkActivation, servers } from '../activations.ts';
import * as answers from '../answers.ts';
import { byHand, online } from '../proof.ts';
import type { Count } from '../rates.ts';
import { activationRequest } from './requests.ts';
import { anyone, byOf, customer, operation } from './routing.ts';

/** What servers ask: to be activated, and whether they would be. */
export function registerActivationRoutes(http: Http, deps: ActivationsDeps & { readonly count: Count }): void {
  // The key itself and the proof of the computer's identity are what a server shows: no token.
  const limited = (id: string, summary: string, response: object) => ({
    config: anyone,
    schema: { ...operation(id, summary, 'activations', response), body: activationRequest },
    onRequest: async ({ ip }: FastifyRequest) => deps.count('activation', ip),
  });
  /** What only a guess meets counts as a failure. */
  const answered = <T>(outcome: ActivationOutcome<T>, { ip }: FastifyRequest): T => {
    if (!outcome.ok && guessed.includes(outcome.fault.reason)) deps.count('failure', ip);
    return activationOf(outcome);
  };
  http.post(
    '/v1/activations',
    limited('activate', 'Activate a key for a server', { 200: answers.activation }),
    async (request) =>
      answered(await activate(deps, request.body, online, { ...servers, address: request.ip }), request),
  );
  http.post(
    '/v1/activations::check',
    limited('checkActivation', 'Whether a key would be activated', { 200: answers.activationCheck }),
    async (request) => answered(await checkActivation(deps, request.body, online), request),
  );
  // A request file is days old when a person hands it in: the token stands in for its freshness.
  http.post(
    '/v1/activations::respond',
    {
      config: customer,
      schema: {
        ...operation('respond', 'Answer a request file', 'activations', { 200: answers.activation }),
        body: activationRequest,
      },
    },
    async (request) => activationOf(await activate(deps, request.body, byHand, byOf(request))),
  );
}

const guessed: readonly string[] = ['KeyMalformed', 'KeyUnknown', 'ProofInvalid'];

function activationOf<T>(outcome: ActivationOutcome<T>): T {
  if (outcome.ok) return outcome.value;
  throw new ProblemError({
    status: statusOf(outcome.fault),
    reason: outcome.fault.reason,
    detail: outcome.fault.message,
  });
}

function statusOf({ reason }: KeyFault): number {
  if (reason === 'KeyMalformed') return 400;
  if (reason === 'KeyUnknown') return 404;
  return reason === 'ProofInvalid' ? 403 : 409;
}
