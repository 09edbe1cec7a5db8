import { describe, expect, it } from 'vitest';
import { createLog } from '../../../runtime/log.ts';
import { Lifetime } from '../../../runtime/shutdown.ts';

describe('a program lifetime', () => {
  it('stops its parts, last started first, and answers 0', async () => {
    const lifetime = new Lifetime(createLog('test', 'silent'));
    const stopped: string[] = [];
    lifetime.onStop('database', () => stopped.push('database'));
    lifetime.onStop('http', async () => stopped.push('http'));
    const status = lifetime.run();
    lifetime.end('done');
    expect(await status).toBe(0);
    expect(stopped).toEqual(['http', 'database']);
  });

  it('stops the others when one part fails, and answers 1', async () => {
    const lifetime = new Lifetime(createLog('test', 'silent'));
    const stopped: string[] = [];
    lifetime.onStop('database', () => stopped.push('database'));
    lifetime.onStop('http', () => Promise.reject(new Error('stuck')));
    lifetime.end('done');
    expect(await lifetime.run()).toBe(1);
    expect(stopped).toEqual(['database']);
  });

  it('goes on to the next part when one takes longer than it may, and tells each how much time is left', async () => {
    const lifetime = new Lifetime(createLog('test', 'silent'), 60_000);
    let left = 0;
    lifetime.onStop('database', (leftMs) => {
      left = leftMs;
    });
    lifetime.onStop('seats', () => new Promise(() => {}), 50);
    lifetime.end('done');
    expect(await lifetime.run()).toBe(1);
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(59_960);
  });
});
