import { afterEach, expect, it, vi } from 'vitest';
import { run } from '../../../cluster/process.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

it.runIf(process.platform !== 'win32')(
  "what a command runs finds the programs of administrators, also where they are not on the caller's PATH, and after what is",
  async () => {
    vi.stubEnv('PATH', '/usr/bin:/bin');
    expect((await run('sh', ['-c', 'echo "$PATH"'])).trim()).toBe('/usr/bin:/bin:/usr/sbin:/sbin');
    vi.stubEnv('PATH', '/usr/sbin:/usr/bin:/bin');
    expect((await run('sh', ['-c', 'echo "$PATH"'])).trim()).toBe('/usr/sbin:/usr/bin:/bin:/sbin');
    vi.stubEnv('PATH', '/usr/bin:/bin');
    expect((await run('env', [], { env: { PATH: '/bin' } })).split('\n')).toContain('PATH=/bin:/usr/sbin:/sbin');
  },
);
