import { describe, expect, it } from 'vitest';
import { isCommandFault, messageOf, StoreUnavailable, sorted } from '../../../../runtime/database/fault.ts';

const withCode = (code: string, message = 'no') => Object.assign(new Error(message), { code });

describe('faults of a database', () => {
  it.each(['22021', '22P02', '23505', '23514', 'P0001', 'P0002'])('%s is of the command', (code) => {
    const error = withCode(code);
    expect(isCommandFault(error)).toBe(true);
    expect(sorted(error)).toBe(error);
  });
  it.each([
    ...[
      '08006',
      '0A000',
      '25006',
      '25P02',
      '26000',
      '40001',
      '42501',
      '42P01',
      '53300',
      '55P03',
      '57P01',
      '57014',
      'XX000',
    ],
    ...['ECONNRESET', 'SELF_SIGNED_CERT_IN_CHAIN', 'ERR_TLS_CERT_ALTNAME_INVALID', '23'],
  ])('%s is not: whoever asked may come again', (code) => {
    const error = withCode(code);
    expect(isCommandFault(error)).toBe(false);
    expect(sorted(error)).toBeInstanceOf(StoreUnavailable);
    expect(sorted(sorted(error))).toMatchObject({ cause: error });
  });
  it('nor is what the driver says by itself', () => {
    expect(sorted(new Error('Connection terminated unexpectedly'))).toBeInstanceOf(StoreUnavailable);
    expect(sorted('whatever')).toBeInstanceOf(StoreUnavailable);
  });
});

describe("an error's own words", () => {
  it.each([
    [new Error('no route'), 'no route'],
    [new StoreUnavailable(new Error('no route')), 'no route'],
    [new AggregateError([new Error('connect ECONNREFUSED ::1'), new Error('x')]), 'connect ECONNREFUSED ::1'],
    [withCode('ENOENT', ''), 'ENOENT'],
    [new TypeError(''), 'TypeError'],
    ['', 'an error without words'],
  ])('%s', (error, words) => {
    expect(messageOf(error)).toBe(words);
  });
});
