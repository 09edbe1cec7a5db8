import { describe, expect, it } from 'vitest';
import { createLog } from '../../../runtime/log.ts';
import { Lifetime, unlessAborted } from '../../../runtime/shutdown.ts';

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

describe('a program that is asked to end while it starts', () => {
  it('stops what was started at once, waits for nothing else, and answers 0', async () => {
    const asked = new AbortController();
    const lifetime = new Lifetime(createLog('test', 'silent'), 10_000, asked.signal);
    const stopped: string[] = [];
    const status = lifetime.run(async () => {
      lifetime.onStop('database', () => stopped.push('database'));
      asked.abort(new Error('SIGTERM'));
      await unlessAborted(lifetime.signal, new Promise(() => {}));
    });
    expect(await status).toBe(0);
    expect(stopped).toEqual(['database']);
  });

  it('stops a part at once that comes when the others have been stopped, and waits for the start to be over', async () => {
    const asked = new AbortController();
    const lifetime = new Lifetime(createLog('test', 'silent'), 10_000, asked.signal);
    const stopped: string[] = [];
    let goOn = () => {};
    const status = lifetime.run(async () => {
      lifetime.onStop('database', () => {
        stopped.push('database');
        goOn();
      });
      await new Promise<void>((resolve) => {
        goOn = resolve;
        asked.abort(new Error('SIGTERM'));
      });
      lifetime.onStop('late', () => stopped.push('late'));
      throw new Error('it is of no use any more');
    });
    expect(await status).toBe(0);
    expect(stopped).toEqual(['database', 'late']);
  });

  it('asked before its first line, it does the same', async () => {
    const lifetime = new Lifetime(createLog('test', 'silent'), 10_000, AbortSignal.abort(new Error('SIGTERM')));
    expect(await lifetime.run(async () => lifetime.signal.throwIfAborted())).toBe(0);
  });

  it('a start that fails stops what was started, and is told', async () => {
    const lifetime = new Lifetime(createLog('test', 'silent'), 10_000, new AbortController().signal);
    const stopped: string[] = [];
    const failing = lifetime.run(async () => {
      lifetime.onStop('database', () => stopped.push('database'));
      throw new Error('port in use');
    });
    await expect(failing).rejects.toThrow('port in use');
    expect(stopped).toEqual(['database']);
  });
});
