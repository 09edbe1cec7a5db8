import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pino } from 'pino';
import { createAuthority } from '../../authority/app.ts';
import type { Http } from '../../runtime/httpShell.ts';
import { createMetrics } from '../../runtime/metrics.ts';
import { type AppParts, createApp } from '../../server/app.ts';
import { SeatMetrics } from '../../server/seats/seatMetrics.ts';
import { breaks, type OpenApi } from './breaks.ts';

/**
 * `npm run openapi` keeps the OpenAPI documents of this version in `docs/openapi/VERSION/`. It does not write one that breaks the
 * clients that were generated from a kept one.
 */
const folder = fileURLToPath(new URL('.', import.meta.url));
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** Routes are registered, none is called: of the parts of a program only those are there that a registration looks at. */
const log = pino({ level: 'silent' });
const server = async (): Promise<Http> => {
  const metrics = createMetrics();
  const parts = {
    log,
    version,
    access: { kind: 'open' },
    metrics,
    seatMetrics: new SeatMetrics(metrics),
    store: {},
    keys: {},
    identity: {},
  };
  return createApp(parts as unknown as AppParts);
};
const authority = async (): Promise<Http> =>
  createAuthority({ log, pool: {}, signingKeys: {}, readTokens: async () => [] } as unknown as Parameters<
    typeof createAuthority
  >[0]);

/** The documents as the programs serve them, by the program. */
export async function documents(): Promise<Record<string, OpenApi>> {
  const made: Record<string, OpenApi> = {};
  for (const [program, create] of Object.entries({ server, authority })) {
    const http = await create();
    await http.ready();
    made[program] = JSON.parse(JSON.stringify(http.swagger()));
    await http.close();
  }
  return made;
}

/** The kept documents of all versions. */
export function kept(): { readonly version: string; readonly program: string; readonly document: OpenApi }[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) =>
      readdirSync(`${folder}${name}`).map((file) => ({
        version: name,
        program: file.replace('.json', ''),
        document: JSON.parse(readFileSync(`${folder}${name}/${file}`, 'utf8')) as OpenApi,
      })),
    );
}

if (import.meta.main) {
  const now = await documents();
  const faults = kept().flatMap(({ version: of, program, document }) =>
    breaks(document, now[program] ?? { paths: {} }).map((fault) => `${of}/${program}.json: ${fault}`),
  );
  if (faults.length > 0) {
    console.error(
      `this breaks clients that were generated from a kept document; nothing is written\n${faults.join('\n')}`,
    );
    process.exit(1);
  }
  if (!existsSync(`${folder}${version}`)) mkdirSync(`${folder}${version}`);
  for (const [program, document] of Object.entries(now)) {
    writeFileSync(`${folder}${version}/${program}.json`, `${JSON.stringify(document, null, 2)}\n`);
  }
}
