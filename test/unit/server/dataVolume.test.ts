import { statfsSync } from 'node:fs';
import { pino } from 'pino';
import { expect, it } from 'vitest';
import { createMetrics } from '../../../runtime/metrics.ts';
import { DataVolume, isNearlyFull, type Room, roomOf } from '../../../server/dataVolume.ts';

const gib = 2 ** 30;

it('is nearly full with less than a tenth of a small volume, or less than 1 GiB of a large one', () => {
  const room = (freeBytes: number, sizeBytes: number) => isNearlyFull({ freeBytes, sizeBytes });
  expect([room(0.101 * gib, gib), room(0.099 * gib, gib)]).toEqual([false, true]);
  expect([room(1.01 * gib, 100 * gib), room(0.99 * gib, 100 * gib)]).toEqual([false, true]);
});

it('tells of a volume that fills up once in the log, in its trouble as long as it lasts, and by numbers', async () => {
  const lines: Record<string, unknown>[] = [];
  const log = pino({ base: null }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const metrics = createMetrics();
  let room: Room | Error = { freeBytes: gib, sizeBytes: 2 * gib };
  const volume = new DataVolume('/data', log, metrics, async () => {
    if (room instanceof Error) throw room;
    return room;
  });
  const look = async (now: typeof room) => {
    room = now;
    await volume.start();
    volume.stop();
    return volume.trouble();
  };
  expect(await look(room)).toBeUndefined();
  const nearly = await look({ freeBytes: 1_000, sizeBytes: 2 * gib });
  expect(nearly).toContain('the volume of /data is nearly full');
  expect(await look({ freeBytes: 500, sizeBytes: 2 * gib })).toBe(nearly);
  expect(await metrics.registry.getSingleMetricAsString('licence_data_volume_free_bytes')).toMatch(/ 500$/);
  expect(await metrics.registry.getSingleMetricAsString('licence_data_volume_size_bytes')).toMatch(/ 2147483648$/);
  expect(await look(new Error('stale file handle'))).toBe(nearly);
  expect(await look({ freeBytes: gib, sizeBytes: 2 * gib })).toBeUndefined();
  expect(lines.map((l) => l.msg)).toEqual([
    'the data volume is nearly full',
    'the room on the data volume is not known',
    'the data volume has room again',
  ]);
});

it('reads what a file system tells', () => {
  const { freeBytes, sizeBytes } = roomOf(statfsSync('/'));
  expect(freeBytes).toBeGreaterThan(0);
  expect(sizeBytes).toBeGreaterThan(freeBytes);
});
