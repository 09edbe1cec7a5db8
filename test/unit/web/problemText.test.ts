import { describe, expect, it } from 'vitest';
import { refusalText } from '../../../web/shared/logic/refusal.ts';
import { parseActivationAnswer } from '../../../web/src/logic/activationAnswer.ts';
import { holderText } from '../../../web/src/logic/holderText.ts';
import { denialText, faultText } from '../../../web/src/logic/problemText.ts';
import { createText } from '../../../web/src/text/text.ts';

const en = createText('en', 'UTC');
const ru = createText('ru', 'UTC');
const refusal = (status: number, reason: string, detail = 'said by the server') => ({ status, reason, detail });

describe('a refusal', () => {
  it('of a key says what to do, in the person’s language', () => {
    expect(refusalText(refusal(409, 'KeyBoundElsewhere'), en)).toContain('Generate a new key');
    expect(refusalText(refusal(409, 'KeyBoundElsewhere'), ru)).toContain('Сгенерируйте новый ключ');
  });

  it('that the page does not know shows the server’s own sentence', () => {
    expect(refusalText(refusal(409, 'SomethingNew'), en)).toContain('said by the server');
  });

  it('with a detail puts it into the sentence once, whatever it holds', () => {
    expect(refusalText(refusal(400, 'InvalidRequest', 'body $& {detail}'), en)).toContain('body $& {detail}');
  });

  it.each([
    [0, 'Unreachable', 'does not answer'],
    [401, 'Whatever', 'Sign in again'],
    [403, 'Whatever', 'administrator'],
    [429, 'Whatever', 'Wait a minute'],
    [502, 'Unknown', 'unexpected fault'],
  ])('with status %i and reason %s', (status, reason, part) => {
    expect(refusalText(refusal(status, reason), en)).toContain(part);
  });
});

it('a fault or a denial of another version falls back to what the server said', () => {
  expect(faultText({ reason: 'Newer' as 'KeyUnknown', message: 'a newer fault' }, en)).toBe('a newer fault');
  expect(denialText('Newer', ru)).toBe('Newer');
});

it('a holder in a few words leaves out what is not known', () => {
  expect(holderText({ user: 'ann', host: 'ws-1', base: 'trade', session: '7' })).toBe('ann @ ws-1, trade');
  expect(holderText({ user: '', host: 'ws-1', base: '', session: '' })).toBe('ws-1');
});

describe('a response file of an air-gapped activation', () => {
  const jws = 'eyJh.eyJi.c2ln';
  it.each([
    [jws, { activation: jws }],
    [`\uFEFF${jws}\r\n`, { activation: jws }],
    [`{"activation":"${jws}","regenerationsLeft":2,"other":1}`, { activation: jws, regenerationsLeft: 2 }],
    ['{"activation":"not a jws"}', undefined],
    ['{"activation":7}', undefined],
    ['null', undefined],
    ['<html></html>', undefined],
    ['', undefined],
  ])('%s', (file, expected) => {
    expect(parseActivationAnswer(file)).toEqual(expected);
  });
});
