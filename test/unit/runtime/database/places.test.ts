import { expect, it } from 'vitest';
import { type Place, Places, placesOf } from '../../../../runtime/database/places.ts';

const listed = placesOf('a,b,c', '5432');
const all = 'fault' in listed ? [] : listed;
/** What each host answers, and who was asked. */
const world = (answers: Record<string, string | Error | undefined>) => {
  const asked: string[] = [];
  const ask = async ({ host }: Place) => {
    asked.push(host);
    const answer = answers[host];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { answers, asked, ask };
};

it('the first that can be written to is taken, in the order of the list', async () => {
  const { ask, asked } = world({ a: new Error('connect ECONNREFUSED'), b: 'it is a standby' });
  expect(await new Places(all).find(ask)).toMatchObject({ host: 'c' });
  expect(asked).toEqual(['a', 'b', 'c']);
});

it('who was found last is asked first: an old primary that comes back takes nobody away', async () => {
  const places = new Places(all);
  const { ask, asked, answers } = world({ a: 'it is a standby' });
  await places.find(ask);
  answers.a = undefined;
  expect(await places.find(ask)).toMatchObject({ host: 'b' });
  expect(asked).toEqual(['a', 'b', 'b']);
  answers.b = new Error('gone');
  expect(await places.find(ask)).toMatchObject({ host: 'a' });
});

it('where none can be written to, each says why', async () => {
  const { ask } = world({ a: new Error('connect ECONNREFUSED'), b: 'it is a standby', c: 'it is read-only' });
  await expect(new Places(all).find(ask)).rejects.toThrow(
    'none of the hosts can be written to: a:5432: connect ECONNREFUSED; b:5432: it is a standby; c:5432: it is read-only',
  );
});

it('a refused login is the answer: the others would refuse it, too', async () => {
  const refused = Object.assign(new Error('password authentication failed'), { code: '28P01' });
  const { ask, asked } = world({ a: refused });
  await expect(new Places(all).find(ask)).rejects.toBe(refused);
  expect(asked).toEqual(['a']);
});

it('those who look at the same time look together', async () => {
  const places = new Places(all);
  const { ask, asked } = world({ a: 'it is a standby' });
  const found = await Promise.all([places.find(ask), places.find(ask), places.find(ask)]);
  expect(found.map(({ host }) => host)).toEqual(['b', 'b', 'b']);
  expect(asked).toEqual(['a', 'b']);
});
