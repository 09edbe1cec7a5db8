import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { OpenApi } from '../../docs/openapi/breaks.ts';

/** What the server of next year says in place of a value of today. */
export const ofNextYear = (value: string): string => `${value}OfNextYear`;

/** The members of the document whose values may grow, and the reasons of problems. */
export function growingMembers(document: OpenApi): ReadonlySet<string> {
  const found = new Set(['reason']);
  for (const schema of Object.values(document.components?.schemas ?? {})) {
    for (const [member, is] of Object.entries((schema.properties ?? {}) as Record<string, Record<string, unknown>>))
      if (is['x-extensible-enum'] !== undefined) found.add(member);
  }
  return found;
}

/** An answer as a later version may give it: further members in every object, and values that nobody knows today. */
export function later(part: unknown, growing: ReadonlySet<string>): unknown {
  if (Array.isArray(part)) return part.map((item) => later(item, growing));
  if (typeof part !== 'object' || part === null) return part;
  const made: Record<string, unknown> = { addedFirst: { text: 'x', list: [1, { deep: null }] } };
  for (const [member, value] of Object.entries(part))
    made[member] = growing.has(member) && typeof value === 'string' ? ofNextYear(value) : later(value, growing);
  return { ...made, addedLater: 1e20, added: null };
}

export interface NextYear {
  readonly url: string;
  /** Answers that were changed. */
  readonly changed: () => number;
  close(): Promise<void>;
}

/** A server of next year: the one behind it, with other answers. */
export async function startNextYear(behind: string, document: OpenApi): Promise<NextYear> {
  const growing = growingMembers(document);
  let changed = 0;
  const passOn = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await bytesOf(request);
    const answer = await fetch(behind + request.url, {
      method: request.method ?? 'GET',
      headers: passedOn(request),
      ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
    });
    const text = await answer.text();
    const type = answer.headers.get('content-type');
    if (type?.includes('json')) changed += 1;
    response.writeHead(answer.status, { ...(type && { 'content-type': type }), 'x-added-later': 'yes' });
    response.end(type?.includes('json') ? JSON.stringify(later(JSON.parse(text), growing)) : text);
  };
  const server = createServer((request, response) => {
    passOn(request, response).catch((error) => response.writeHead(502).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    changed: () => changed,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const passedOn = ({ headers: { accept, authorization, ...headers } }: IncomingMessage): Record<string, string> => ({
  ...(accept !== undefined && { accept }),
  ...(authorization !== undefined && { authorization }),
  ...(headers['content-type'] !== undefined && { 'content-type': headers['content-type'] }),
});

async function bytesOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
}
