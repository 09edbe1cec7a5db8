import { namesOf } from '../api/names.ts';
import { type Child, type Owner, ownedMeta } from './object.ts';

/** The alerts of one server; `runbook_url` leads to what to do. */
export const prometheusRule = (owner: Owner, runbooks: string): Child => {
  const of = `namespace="${owner.namespace}",service="${namesOf(owner.name).service}"`;
  const alert = (
    name: string,
    severity: 'info' | 'warning' | 'critical',
    wait: string,
    expr: string,
    summary: string,
    description: string,
  ) => ({
    alert: name,
    expr,
    for: wait,
    labels: { severity },
    annotations: { summary, description, runbook_url: `${runbooks}/${name}.md` },
  });
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: ownedMeta(owner, namesOf(owner.name).prometheusRule),
    spec: {
      groups: [
        {
          name: 'licence-server',
          rules: [
            alert(
              'LicenceSeatsExhausted',
              'critical',
              '1m',
              `licence_seats_limit{${of}} > 0 and licence_seats_in_use{${of}} >= licence_seats_limit{${of}}`,
              'No free seat of {{ $labels.product }} in {{ $labels.namespace }}/{{ $labels.service }}',
              'Every seat of {{ $labels.product }} is taken; whoever starts the program now is refused.',
            ),
            alert(
              'LicenceStaleSeats',
              'warning',
              '1h',
              `licence_seats_stale{${of}} > 0`,
              '{{ $value }} stale seats of {{ $labels.product }} in {{ $labels.namespace }}/{{ $labels.service }}',
              'Seats are held by bases that have gone silent, and nothing has cleared them for an hour.',
            ),
            alert(
              'LicenceSupportExpiring',
              'warning',
              '1h',
              `licence_support_expiry_timestamp_seconds{${of}} - time() < 14 * 86400`,
              'Support of {{ $labels.product }} ends within two weeks',
              'The support term of {{ $labels.product }} ends {{ $value | humanizeDuration }} from now; updates after it are refused or warned of.',
            ),
            alert(
              'LicenceServerDown',
              'critical',
              '5m',
              `absent(up{${of}} == 1)`,
              `Licence server ${owner.namespace}/${owner.name} is not there`,
              'No pod of this licence server answers a scrape; programs cannot take seats.',
            ),
          ],
        },
      ],
    },
  };
};
