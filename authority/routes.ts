import type { Http } from '../runtime/httpShell.ts';
import type { ActivationsDeps } from './activations.ts';
import type { Count } from './rates.ts';
import { registerActivationRoutes } from './routes/activationRoutes.ts';
import { registerAuditRoute } from './routes/auditRoute.ts';
import { registerKeyRoutes } from './routes/keyRoutes.ts';
import { registerLicenceRoutes } from './routes/licenceRoutes.ts';
import { registerSigningRoutes } from './routes/signingRoutes.ts';

export interface RoutesDeps extends ActivationsDeps {
  readonly count: Count;
}

/** Everything that changes licences or activates keys. */
export function registerRoutes(http: Http, deps: RoutesDeps): void {
  registerLicenceRoutes(http, deps);
  registerKeyRoutes(http, deps);
  registerActivationRoutes(http, deps);
  registerSigningRoutes(http, deps);
  registerAuditRoute(http, deps);
}
