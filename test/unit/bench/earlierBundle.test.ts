import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { earlierBundle, Unusable } from '../../../bench/earlierBundle.ts';
import { cacheDir } from '../../../cluster/cache.ts';

describe('the bundle of an earlier commit', () => {
  it('says in a sentence that there is no such commit, builds nothing and leaves nothing behind', async () => {
    const kept = () => readdirSync(cacheDir()).filter((name) => name.startsWith('bundle-of-server-'));
    const before = kept();
    const steps: string[] = [];
    const failed = await earlierBundle('no-such-branch', 'server', (step) => steps.push(step)).catch((error) => error);
    expect(failed).toBeInstanceOf(Unusable);
    expect(failed.message).toBe('no-such-branch is no commit of this repository: name one that `git log` shows');
    expect(steps).toEqual([]);
    expect(kept()).toEqual(before);
  });
});
