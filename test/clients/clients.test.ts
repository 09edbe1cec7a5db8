import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type BuiltClient, type ClientLanguage, clientLanguages, ensureClients } from '../../cluster/clientTools.ts';
import { run } from '../../cluster/process.ts';
import type { OpenApi } from '../../docs/openapi/breaks.ts';
import { type Computer, createComputer, ServerProcess } from '../db/server/support/serverProcess.ts';
import { createTestDatabase, type TestDatabase } from '../support/testDatabase.ts';
import { type NextYear, ofNextYear, startNextYear } from './nextYear.ts';
import { proofCases } from './proofs.ts';

// Clients that the usual generators make of the OpenAPI document: compiled, and run against the server of today and against one of next year.

let clients: Record<ClientLanguage, BuiltClient>;
let database: TestDatabase;
let computer: Computer;
let server: ServerProcess;
let nextYear: NextYear;
let token: string;
let document: OpenApi;

beforeAll(async () => {
  [clients, database, computer] = await Promise.all([ensureClients(), createTestDatabase(), createComputer(2)]);
  server = await ServerProcess.start({ ...computer.env, LICENCE_ACCESS: 'token', DATABASE_URL: database.url });
  token = readFileSync(join(computer.dataDir, 'tokens/client'), 'utf8').trim().split('\n')[0] ?? '';
  document = (await (await fetch(`${server.address}/openapi.json`)).json()) as OpenApi;
  nextYear = await startNextYear(server.address, document);
}, 600_000);
afterAll(async () => {
  await nextYear?.close();
  await server?.stop('SIGKILL');
  await database?.drop();
  computer?.remove();
});

const start = (language: ClientLanguage, args: readonly string[], as = token): Promise<string> => {
  const { dir, command } = clients[language];
  if (command === undefined) throw new Error(`${language} is not run`);
  return run(command[0], [...command.slice(1), ...args], { cwd: dir, env: { LICENCE_TOKEN: as }, timeoutMs: 50_000 });
};
const keysFile = () => computer.env.LICENCE_TRUSTED_KEYS ?? '';
/** The name of a base that has to be spelled with care in a path. */
const base = 'Склад №1/a+b c';
const spelled: Partial<Record<ClientLanguage, string>> = { rust: 'Склад№1/a+b' };
const sample = async (language: ClientLanguage, url: string) =>
  JSON.parse(await start(language, [url, keysFile(), spelled[language] ?? base]));
/** What a sample prints, by what it makes of the words of an answer. */
const expected = (language: ClientLanguage, word: (text: string) => string = (text) => text) => ({
  leaseId: expect.stringMatching(/^[0-9a-f-]{36}$/),
  expiresAt: expect.stringMatching(/^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)$/),
  support: word('valid'),
  limit: 2,
  beat: true,
  outcomes: [word('granted'), word('denied')],
  refused: { reason: word('SeatsExhausted'), limit: 2, inUse: 2 },
  released: 1,
  base: spelled[language] ?? base,
  afterwards: word('LeaseLost'),
});

const whole = clientLanguages.filter((language) => language !== 'csharp');
describe.each(whole)('the client in %s', (language) => {
  it('is generated from the document that the server serves', () => {
    expect(JSON.parse(readFileSync(join(clients[language].dir, 'openapi.json'), 'utf8'))).toEqual(document);
  });

  it('takes a seat with a proof, keeps it, reports a base, is refused in types, and gives the seat back', async () => {
    expect(await sample(language, server.address)).toEqual(expected(language));
  });

  it('does all that with a server of next year', async () => {
    const before = nextYear.changed();
    expect(await sample(language, nextYear.url)).toEqual(expected(language, ofNextYear));
    expect(nextYear.changed() - before).toBeGreaterThanOrEqual(6);
  });

  it('leaves nothing behind', async () => {
    const admin = readFileSync(join(computer.dataDir, 'tokens/admin'), 'utf8').trim();
    const answer = await fetch(`${server.address}/v1/leases`, { headers: { authorization: `Bearer ${admin}` } });
    expect(await answer.json()).toEqual({ leases: [] });
  });

  it('tells a token that is not accepted by the reason', async () => {
    await expect(start(language, [server.address, keysFile(), base], 'wrong')).rejects.toThrow('TokenInvalid');
  });

  it('verifies a proof, and refuses all that only looks like one', async () => {
    const { leaseId, cases } = proofCases();
    const file = join(computer.dataDir, `${language}.json`);
    writeFileSync(file, JSON.stringify(cases));
    const lines = (await start(language, ['verify', file])).trim().split('\n');
    rmSync(file);
    const told = lines.map((line, i) => ({ what: cases[i]?.what, told: JSON.parse(line) }));
    expect(told).toEqual(
      cases.map(({ what, says }, i) => ({
        what,
        told: i < 2 ? leaseId : { refused: says === undefined ? expect.any(String) : expect.stringContaining(says) },
      })),
    );
  });
});

it('a base that a client spells in a way of its own is refused, and not reported as another one', async () => {
  await expect(start('rust', [server.address, keysFile(), 'Склад 1'])).rejects.toThrow(/InvalidRequest.*base/);
});

it('the client in C# is generated, with every operation of the document', () => {
  const api = (tag: string) => readFileSync(join(clients.csharp.dir, `client/src/Licence/Api/${tag}Api.cs`), 'utf8');
  for (const path of Object.values(document.paths)) {
    for (const { operationId = '', tags: [tag = ''] = [] } of Object.values(path)) {
      const name = (word: string) => word[0]?.toUpperCase() + word.slice(1);
      expect(api(name(tag))).toContain(` ${name(operationId)}Async(`);
    }
  }
});
