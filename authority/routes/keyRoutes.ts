import type { FastifyReply, FastifyRequest } from 'fastify';
import type { z } from 'zod';
import type { Http } from '../../runtime/httpShell.ts';
import * as answers from '../answers.ts';
import type { LicencesDeps, Target } from '../changeLicence.ts';
import { pardonKey, revokeKey } from '../licences.ts';
import { keyAllowance, regenerateKey, renewKey } from '../newKeys.ts';
import { because, ofKey, ofLicence, regeneration, renewal } from './requests.ts';
import { byKey, byLicence, byOf, customer, making, operation, valueFrom, vendor, vendorOnly } from './routing.ts';

/** New keys instead of those that are there, what may still be done with one, and its revocation. */
export function registerKeyRoutes(http: Http, deps: LicencesDeps): void {
  /** Both by licence and by key; see Target. */
  const regenerate = (
    target: Target,
    body: z.infer<typeof regeneration>,
    request: FastifyRequest,
    reply: FastifyReply,
  ) => {
    const { supportOverride } = body ?? {};
    if (supportOverride !== undefined) vendorOnly(request, 'only support may go beyond the limit');
    return making(deps, request, reply, (d) => regenerateKey(d, target, { ...byOf(request), supportOverride }));
  };
  const renew = (target: Target, body: z.infer<typeof renewal>, request: FastifyRequest, reply: FastifyReply) => {
    if (Object.keys(body ?? {}).length > 0) vendorOnly(request, 'only the vendor names the terms of an extension');
    return making(deps, request, reply, (d) => renewKey(d, target, body ?? {}, byOf(request)));
  };
  http.post(
    `${byLicence}::regenerate`,
    {
      config: customer,
      schema: {
        ...operation('regenerateKeyOfLicence', 'A new key instead of the newest of a licence', 'keys', {
          201: answers.issuedKey,
        }),
        ...ofLicence,
        body: regeneration,
      },
    },
    (request, reply) => regenerate(request.params, request.body, request, reply),
  );
  http.post(
    `${byKey}::regenerate`,
    {
      config: customer,
      schema: {
        ...operation('regenerateKey', 'A new key instead of this one', 'keys', { 201: answers.issuedKey }),
        ...ofKey,
        body: regeneration,
      },
    },
    (request, reply) => regenerate(request.params, request.body, request, reply),
  );
  http.post(
    `${byLicence}::renew`,
    {
      config: customer,
      schema: {
        ...operation('renewKeyOfLicence', 'A key with the terms that a licence was prolonged to', 'keys', {
          201: answers.issuedKey,
        }),
        ...ofLicence,
        body: renewal,
      },
    },
    (request, reply) => renew(request.params, request.body, request, reply),
  );
  http.post(
    `${byKey}::renew`,
    {
      config: customer,
      schema: {
        ...operation('renewKey', 'A key with the terms that the licence of this one was prolonged to', 'keys', {
          201: answers.issuedKey,
        }),
        ...ofKey,
        body: renewal,
      },
    },
    (request, reply) => renew(request.params, request.body, request, reply),
  );
  http.get(
    '/v1/keys/:keyId',
    {
      config: customer,
      schema: {
        ...operation('keyAllowance', 'What may still be done with a key', 'keys', { 200: answers.allowance }),
        ...ofKey,
      },
    },
    async (request) => valueFrom(await keyAllowance(deps, request.params.keyId, byOf(request))),
  );
  const withReason = (id: string, summary: string) => ({
    config: vendor,
    schema: { ...operation(id, summary, 'keys', { 200: answers.keyNamed }), ...ofKey, body: because },
  });
  http.post(`${byKey}::revoke`, withReason('revokeKey', 'Revoke a key'), async (request) =>
    valueFrom(await revokeKey(deps, request.params.keyId, request.body.reason, byOf(request))),
  );
  http.post(`${byKey}::pardon`, withReason('pardonKey', 'Take back what a key is suspected of'), async (request) =>
    valueFrom(await pardonKey(deps, request.params.keyId, request.body.reason, byOf(request))),
  );
}
