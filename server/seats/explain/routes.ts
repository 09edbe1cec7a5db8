import type { Http } from '../../../runtime/httpShell.ts';
import { isAdministrator } from '../../access/access.ts';
import { checkOutBody } from '../clientSchemas.ts';
import { readCheckOut } from '../requests.ts';
import type { SeatStore } from '../store.ts';
import { explain } from './explain.ts';
import { Paces } from './pace.ts';
import { explained } from './schemas.ts';

/**
 * Whoever may take a seat may ask whether it would be granted; who holds the seats is told to administrators.
 * @param isOpen whether access is open: then everybody may everything
 */
export function registerExplainRoutes(http: Http, store: SeatStore, isOpen: boolean): void {
  const paces = new Paces(store.db);
  http.post(
    '/v1/checkouts::explain',
    {
      config: { role: 'client' },
      validatorCompiler: () => () => true, // read by hand, as a check-out is
      schema: {
        operationId: 'explainCheckOut',
        summary: 'Whether a check-out would be granted, and why; takes nothing',
        tags: ['seats'],
        body: checkOutBody,
        response: { 200: explained },
      },
    },
    (request) => explain(store, paces, readCheckOut(request.body), isOpen || isAdministrator(request)),
  );
}
