import { describe, expect, it } from 'vitest';
import { alertGroups, usualRunbooks } from '../../../../../operator/licenceServer/build/alerts.ts';
import { prometheusRule } from '../../../../../operator/licenceServer/build/prometheusRule.ts';
import { parseRoute } from '../../../../../web/src/logic/route.ts';

const owner = { name: 'head', namespace: 'office', uid: 'u' };
interface Rule {
  alert: string;
  annotations: { page_url?: string };
}
const rulesOf = (spec: Parameters<typeof prometheusRule>[2]) =>
  (prometheusRule(owner, usualRunbooks, spec).spec as { groups: { rules: Rule[] }[] }).groups.flatMap((g) => g.rules);

describe('the alerts of a server with an Ingress', () => {
  const rules = rulesOf({ ingress: { host: 'licences.example.org', tlsSecretName: 'tls' } });

  it('lead to views that the page has, but not where the server is down', () => {
    const without = rules.filter(({ annotations }) => annotations.page_url === undefined).map(({ alert }) => alert);
    expect(without).toEqual(['LicenceServerDown']);
    for (const { alert, annotations } of rules) {
      if (annotations.page_url === undefined) continue;
      const [address, hash = ''] = annotations.page_url.split('/#');
      expect(address).toBe('https://licences.example.org');
      const view = hash.slice(1).split('?')[0];
      expect(parseRoute(`#${hash}`).view, alert).toBe(view);
    }
  });

  it('lead to the seats that they are about', () => {
    const { annotations } = rules.find(({ alert }) => alert === 'LicenceStaleSeatsBlocking') as Rule;
    const hash = (annotations.page_url ?? '').replace('{{ $labels.product | urlquery }}', '1%D0%A1+ERP').split('/#')[1];
    expect(parseRoute(`#${hash}`)).toEqual({ view: 'seats', query: { product: '1С ERP', state: 'stale' } });
  });
});

it('without an address nothing leads there', () => {
  expect(rulesOf({}).some(({ annotations }) => 'page_url' in annotations)).toBe(false);
  const all = alertGroups(usualRunbooks).flatMap((group) => group.rules);
  expect(all.some(({ annotations }) => 'page_url' in annotations)).toBe(false);
  expect(rulesOf({ ingress: { host: 'a.example' } })[0]?.annotations.page_url).toMatch(/^http:\/\/a\.example\//);
});
