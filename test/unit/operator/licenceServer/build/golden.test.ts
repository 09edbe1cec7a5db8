import { describe, expect, test } from 'vitest';
import { canonical, digestOf } from '../../../../../operator/licenceServer/api/digest.ts';
import type { SpecInput } from '../../../../../operator/licenceServer/api/types.ts';
import { childrenOf } from '../../../../../operator/licenceServer/build/children.ts';
import { plan } from '../../../../../operator/licenceServer/decide/plan.ts';
import { factsOfDeployment } from '../../../../../operator/licenceServer/pod/facts.ts';
import { defaults, licenceServer, observed, valid } from '../world.ts';

/** How to accept a new rendering, for whoever meets a failure here. */
const warning = `THIS ROLLS EVERY LICENCE SERVER when the operator is upgraded: an unchanged LicenceServer is rendered into another
pod. If that is not meant, take the change back. If it is: "npx vitest run --project unit --update test/unit/operator/licenceServer/build",
look at the difference of the golden files, and say in CHANGELOG.md that the upgrade rolls, and for which reason.`;

const specs: Readonly<Record<string, SpecInput>> = {
  minimal: {},
  'every setting': {
    seats: { leaseSeconds: 300, reservations: [{ product: 'erp', seats: 5, users: ['buh-*'] }] },
    staleSeats: { after: '45m', windows: [{ schedule: '0 3 * * *', duration: '1h' }] },
    activation: {
      authority: {
        url: 'https://authority.example',
        trustedKeys: { configMapRef: { name: 'vendor' } },
        caRef: { secret: { name: 'ca' } },
      },
    },
    access: { clients: 'ServiceAccount' },
    tls: { secretName: 'office-tls' },
    database: { secretRef: { name: 'db' } },
  },
  offline: { activation: { mode: 'Offline' } },
};

/** What a LicenceServer is rendered into, as far as its pod depends on it. */
function rendered(spec: SpecInput) {
  const server = licenceServer(spec);
  const seen = observed({
    trust: { kind: 'found', digest: digestOf('{}'), text: '{}' },
    database: { kind: 'found', digest: 'd1' },
  });
  const judged = valid(server, seen);
  const planned = plan(judged, {}, seen, defaults);
  // As a pod has it that was made before facts were written down: they come with its next roll.
  const pod = planned.pod && { ...planned.pod, facts: undefined };
  const children = childrenOf(judged, { ...planned, pod }, seen, defaults);
  const deployment = children.deployment as unknown as Parameters<typeof factsOfDeployment>[0];
  const { image: _, ...facts } = factsOfDeployment(deployment);
  return {
    facts: Object.fromEntries(Object.entries(facts).filter(([, value]) => value !== undefined)),
    template: digestOf(canonical(deployment.spec?.template), 16),
    settings: children.config.data,
  };
}

describe('an upgrade of the operator', () => {
  test('renders an unchanged LicenceServer into the same pod, or says loudly that it does not', async () => {
    const all = Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, rendered(spec)]));
    await expect(`${JSON.stringify(all, undefined, 2)}\n`, warning).toMatchFileSnapshot('golden/rendered.json');
  });
});
