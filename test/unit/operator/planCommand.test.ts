import { describe, expect, it, test } from 'vitest';
import type { Preview } from '../../../operator/licenceServer/preview/preview.ts';
import { serverImageOf, summaryOf } from '../../../operator/planCommand.ts';

const running = (image: string | undefined, version: string | undefined) => ({
  version,
  settings: image === undefined ? {} : { OPERATOR_SERVER_IMAGE: image },
});

describe('the image of servers that name none, as a new version of the operator brings it', () => {
  test.each<[string, string | undefined, string | undefined, string | undefined]>([
    [
      'follows the version, as the chart has it',
      'softonit/licence-server:1.0.0',
      '1.0.0',
      'softonit/licence-server:2.0.0',
    ],
    ['from another registry too', 'registry.example:5000/ls:1.0.0', '1.0.0', 'registry.example:5000/ls:2.0.0'],
    [
      'stays where somebody chose another tag',
      'softonit/licence-server:stable',
      '1.0.0',
      'softonit/licence-server:stable',
    ],
    ['stays where it is pinned by digest', 'ls:1.0.0@sha256:00', '1.0.0', 'ls:1.0.0@sha256:00'],
    ['stays where the version is not to be seen', 'ls:1.0.0', undefined, 'ls:1.0.0'],
    ['is this program’s own where no operator runs', undefined, undefined, undefined],
  ])('%s', (_, image, version, expected) => {
    expect(serverImageOf(running(image, version), '2.0.0')).toBe(expected);
  });
});

it('counts in words that fit one and several', () => {
  const of = (...outcomes: Preview['outcome'][]) =>
    summaryOf({ items: outcomes.map((outcome) => ({ outcome }) as Preview), notes: [] }).trim();
  expect(of()).toBe('0 LicenceServers');
  expect(of('Unchanged')).toBe('1 LicenceServer: 1 stays as it is');
  expect(of('Restarts', 'Refused', 'Created', 'Changes')).toBe(
    '4 LicenceServers: 1 restarts, 1 is created, 1 changes without a restart, 1 is refused',
  );
  expect(of('Restarts', 'Restarts', 'Unchanged', 'Unchanged')).toBe('4 LicenceServers: 2 restart, 2 stay as they are');
});
