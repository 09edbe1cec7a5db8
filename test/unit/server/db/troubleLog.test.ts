import { pino } from 'pino';
import { expect, it } from 'vitest';
import { TroubleLog } from '../../../../server/db/troubleLog.ts';

it('a thousand refusals a second are a line when they begin, one every ten seconds and one when they are over', () => {
  const lines: Record<string, unknown>[] = [];
  let now = 0;
  const log = new TroubleLog(
    pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) }),
    10_000,
    () => now,
  );
  log.worked();
  expect(lines).toEqual([]);
  for (; now < 25_000; now += 1) log.note(now % 2 ? 'seats' : 'heartbeat', new Error('refused'), 2);
  log.worked(); // something else got through: that is not the end
  now += 3_000;
  log.worked();
  log.worked();
  expect(lines.map((l) => l.msg)).toEqual([
    'the database did not do its work',
    'the database still does not do its work',
    'the database still does not do its work',
    'the database does its work again',
  ]);
  expect(lines[1]).toMatchObject({ forMs: 10_000, last: 'refused', refused: { seats: 10_000, heartbeat: 10_002 } });
  expect(lines[3]).toMatchObject({ forMs: 24_999, refused: { seats: 25_000, heartbeat: 25_000 } });
  log.note('seats', new Error('again'), 1);
  expect(lines.at(-1)).toMatchObject({ msg: 'the database did not do its work', size: 1 });
});
