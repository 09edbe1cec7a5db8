import { z } from 'zod';
import type { Http } from '../../runtime/httpShell.ts';
import * as answers from '../answers.ts';
import type { LicencesDeps } from '../changeLicence.ts';
import { correctLicence, issueLicence, listLicences, revokeLicence } from '../licences.ts';
import { grantRenewal } from '../newKeys.ts';
import { because, correction, granted, issueRequest, ofLicence, plain } from './requests.ts';
import { byLicence, byOf, customer, making, operation, valueFrom, vendor } from './routing.ts';

/** What was sold: issued, listed, corrected, prolonged, revoked. */
export function registerLicenceRoutes(http: Http, deps: LicencesDeps): void {
  http.post(
    '/v1/licences',
    {
      config: vendor,
      schema: {
        ...operation('issueLicence', 'Issue a licence and its first key', 'licences', { 201: answers.issuedKey }),
        body: issueRequest,
      },
    },
    async (request, reply) => making(deps, request, reply, (d) => issueLicence(d, request.body, byOf(request))),
  );
  http.get(
    '/v1/licences',
    {
      config: customer,
      schema: {
        ...operation('listLicences', 'What was sold', 'licences', { 200: answers.licencePage }),
        querystring: z.object({
          organisation: plain.max(200).optional(),
          keyId: plain.max(64).optional(),
          suspected: z.stringbool().optional(),
          after: plain.max(64).optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
      },
    },
    async (request) => {
      const { query } = request;
      const own = request.actor.organisation ?? query.organisation;
      const licences = await listLicences(deps, { ...query, organisation: own });
      const next = licences.length === query.limit ? licences.at(-1)?.licenceId : undefined;
      return { licences, ...(next === undefined ? {} : { after: next }) };
    },
  );
  http.patch(
    '/v1/licences/:licenceId',
    {
      config: vendor,
      schema: {
        ...operation('correctLicence', 'Correct the terms of a licence', 'licences', { 200: answers.licence }),
        ...ofLicence,
        body: correction,
      },
    },
    async (request) => valueFrom(await correctLicence(deps, request.params.licenceId, request.body, byOf(request))),
  );
  http.post(
    '/v1/licences/:licenceId/renewals',
    {
      config: vendor,
      schema: {
        ...operation('grantRenewal', 'Grant what the next renewal will bring', 'licences', {
          201: answers.renewalGranted,
        }),
        ...ofLicence,
        body: granted,
      },
    },
    (request, reply) =>
      making(deps, request, reply, (d) => grantRenewal(d, request.params.licenceId, request.body, byOf(request))),
  );
  http.post(
    `${byLicence}::revoke`,
    {
      config: vendor,
      schema: {
        ...operation('revokeLicence', 'Revoke a licence and its keys', 'licences', { 200: answers.licenceRevoked }),
        ...ofLicence,
        body: because,
      },
    },
    async (request) =>
      valueFrom(await revokeLicence(deps, request.params.licenceId, request.body.reason, byOf(request))),
  );
}
