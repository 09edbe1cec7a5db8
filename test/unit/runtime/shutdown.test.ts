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
});
