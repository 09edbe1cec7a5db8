import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { repository } from '../../../support/sources.ts';

/**
 * A server that is alone answers heartbeats of leases that it knows (server/seats/answerAtOnce.ts), so it has to forget each one that is
 * ended or made another kind, before anybody is told. Where that is done, and how the server learns of it:
 */
const places: Readonly<Record<string, string>> = {
  'server/seats/foldNames.ts': 'at the start, before anything is known',
  'server/db/migrations/functions/seats.sql':
    'reap_locked: its end has passed; seat_batch: SeatStore.release, and claims of other kinds in seatLane.ts',
  'server/db/migrations/functions/ruled.sql': 'as seat_batch',
  'server/db/migrations/functions/idle.sql': 'of a program that said it is idle: such a lease is not known',
  'server/db/migrations/functions/borrowed.sql': 'BorrowedSeats.take; written off are borrowed ones only',
};

it('whatever ends a lease, or makes it another kind, is known to the one who answers heartbeats at once', () => {
  const found = readdirSync(join(repository, 'server'), { recursive: true, encoding: 'utf8' })
    .map((path) => `server/${path.replaceAll('\\', '/')}`)
    .filter((path) => /\.ts$|functions\/.*\.sql$/.test(path))
    .filter((path) =>
      /DELETE FROM lease\b|TRUNCATE[^;]*\blease\b|UPDATE lease\b[^;]*?\bSET\b[^;]*?\bkind = /i.test(
        readFileSync(join(repository, path), 'utf8'),
      ),
    );
  expect(found.sort(), 'say here how server/seats/renewals.ts learns of it').toEqual(Object.keys(places).sort());
});
