import { expect, it } from 'vitest';
import { tokenOf } from '../../../../server/access/access.ts';

it.each([
  ['Bearer secret', 'secret'],
  ['bearer secret', 'secret'],
  ['BEARER   secret', 'secret'],
  ['Basic secret', undefined],
  ['Bearersecret', undefined],
])('an authorization of "%s" presents the token %s', (authorization, token) => {
  expect(tokenOf({ authorization })).toBe(token);
});

it('a token may come in a header of its own', () => {
  expect(tokenOf({ 'x-licence-token': 'secret' })).toBe('secret');
});
