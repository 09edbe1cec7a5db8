import { expect, it } from 'vitest';
import { inCommands } from '../../../../cli/kubectl/inCommands.ts';
import { createProgram } from '../../../../cli/kubectl/program.ts';
import { readSources } from '../../../support/sources.ts';

/** Sentences of the server that name a route of its own; what is registered as a route stands in quotes of its own. */
const sentences = readSources(['server']).flatMap(({ path, text }) =>
  path.startsWith('server/db/') || path.startsWith('server/doctor/')
    ? []
    : (text.match(/(?<=['`])[^'`\n]*\b(?:GET|POST|PUT|DELETE) \/v1\/[^'`\n]*(?=['`])/g) ?? []).filter(
        (sentence) => !/^(?:GET|POST|PUT|DELETE) \S+$/.test(sentence),
      ),
);

it('whatever route the server names in a sentence, a person at a terminal reads a command that there is', () => {
  expect(sentences.length).toBeGreaterThan(5);
  const known = createProgram().commands.map((command) => command.name());
  for (const sentence of sentences) {
    const said = inCommands(sentence);
    expect(said).not.toMatch(/\/v1\//);
    for (const [, command] of said.matchAll(/kubectl licence ([a-z-]+)/g)) expect(known).toContain(command);
  }
});

it('keeps all else as it is', () => {
  expect(inCommands('fetch GET /v1/activation/request, and hand the answer in at POST /v1/activation/response')).toBe(
    'fetch "kubectl licence request", and hand the answer in with "kubectl licence respond"',
  );
  expect(inCommands('have it adopted (kubectl licence adopt, or POST /v1/bases/{base}:adopt)')).toBe(
    'have it adopted (kubectl licence adopt)',
  );
  expect(inCommands('GET /v1/elsewhere is not known')).toBe('GET /v1/elsewhere is not known');
});
