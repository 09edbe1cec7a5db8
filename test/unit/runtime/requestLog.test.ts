import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createHttp, type Http } from '../../../runtime/httpShell.ts';

const open: Http[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((http) => http.close()));
});

/** An instance whose log is kept; `children` counts the child loggers that were made. */
async function app() {
  const lines: Record<string, unknown>[] = [];
  let children = 0;
  const log = pino(
    { level: 'info', onChild: () => children++ },
    { write: (line: string) => lines.push(JSON.parse(line)) },
  );
  const http = createHttp(log);
  open.push(http);
  http.get('/quiet', async () => ({ ok: true }));
  http.get('/speaks', async (request) => {
    request.log.info({ seat: 1 }, 'first');
    request.log.debug('not at this level');
    request.log.warn('second');
    request.log.child({ part: 'x' }).error('third');
    return { id: request.id };
  });
  http.get('/bug', async () => {
    throw new Error('a bug');
  });
  await http.ready();
  children = 0; // fastify has made one for itself
  return { http, lines, children: () => children };
}

describe('the log of a request', () => {
  it('has the id of the request in every line, and what is given', async () => {
    const { http, lines, children } = await app();
    const { id } = (await http.inject({ url: '/speaks' })).json();
    expect(lines.map((l) => [l.msg, l.reqId])).toEqual([
      ['first', id],
      ['second', id],
      ['third', id],
    ]);
    expect(lines[0]?.seat).toBe(1);
    expect(lines[2]?.part).toBe('x');
    expect(children()).toBe(2);
  });
  it('costs a request that writes none no child logger', async () => {
    const { http, lines, children } = await app();
    await http.inject({ url: '/quiet' });
    expect([lines.length, children()]).toEqual([0, 0]);
  });
  it('tells of a fault with the id of its request', async () => {
    const { http, lines } = await app();
    await http.inject({ url: '/bug' });
    expect(lines[0]).toMatchObject({ msg: 'request failed', reqId: lines[0]?.requestId });
    expect(lines[0]?.requestId).toBeTypeOf('string');
  });
});
