import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openSigningKeys } from '../../../authority/signingKeys.ts';

it('a signing key has a name that no command line takes for an option', async () => {
  const kids: string[] = [];
  for (let n = 0; n < 400; n++) {
    // One by chance begins with a hyphen in 64: none in 400 is no accident.
    const dir = await mkdtemp(join(tmpdir(), 'signing-'));
    kids.push((await openSigningKeys(dir, 0)).active().kid);
    await rm(dir, { recursive: true });
  }
  expect(kids.filter((kid) => kid.startsWith('-'))).toEqual([]);
}, 60_000);
