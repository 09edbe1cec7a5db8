import { z } from 'zod';
import type { Http } from '../../runtime/httpShell.ts';
import type { ActivationsDeps } from '../activations.ts';
import * as answers from '../answers.ts';
import { readAudit } from '../audit.ts';
import { plain } from './requests.ts';
import { customer, operation, vendorOnly } from './routing.ts';

/** What was done, page by page. */
export function registerAuditRoute(http: Http, { transact }: Pick<ActivationsDeps, 'transact'>): void {
  http.get(
    '/v1/audit',
    {
      config: customer,
      schema: {
        ...operation('listAudit', 'What was done, the newest first; for a customer what is theirs', 'history', {
          200: answers.auditPage,
        }),
        querystring: z.object({
          licenceId: plain.max(64).optional(),
          before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional().meta({ format: 'int64' }),
          limit: z.coerce.number().int().min(1).max(500).default(100),
        }),
      },
    },
    async (request) => {
      const { organisation } = request.actor;
      // whose a token of nobody in particular is, nobody knows: the history of everybody is the vendor's
      if (organisation === undefined) vendorOnly(request, 'the history of all customers is for the vendor');
      const { licenceId, before, limit } = request.query;
      const page = { limit, ...(licenceId ? { licenceId } : {}), ...(before === undefined ? {} : { before }) };
      const own = organisation === undefined ? {} : { organisation };
      const entries = await transact((client) => readAudit(client, { ...page, ...own }));
      const next = entries.length === limit ? entries.at(-1)?.id : undefined;
      return { entries, ...(next === undefined ? {} : { before: next }) };
    },
  );
}
