import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { closeHttp } from '../../../runtime/httpDrain.ts';
import { createHttp, type Http, listenOn } from '../../../runtime/httpShell.ts';
import { createLog } from '../../../runtime/log.ts';
import { FakeClock } from '../../support/fakeClock.ts';

/** A connection that its client never closes, and what has come over it. */
class Kept {
  readonly socket: Socket;
  text = '';
  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.text += chunk;
    });
    socket.on('error', () => {});
  }
  static async open(port: number): Promise<Kept> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    const kept = new Kept(socket);
    await once(socket, 'connect');
    return kept;
  }
  ask(path: string): void {
    this.socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  }
  async heard(text: string): Promise<void> {
    while (!this.text.includes(text)) await once(this.socket, 'data');
  }
}

let http: Http;
let port: number;
/** Answers `/slow` when called. */
let finish: () => void;
let slowAsked: Promise<void>;
const opened: Kept[] = [];
const open = async () => {
  const kept = await Kept.open(port);
  opened.push(kept);
  return kept;
};

beforeEach(async () => {
  http = createHttp(createLog('test', 'silent'));
  let asked = () => {};
  slowAsked = new Promise((resolve) => {
    asked = resolve;
  });
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  http.get('/quick', async () => ({ quick: true }));
  http.get('/slow', async () => {
    asked();
    await finished;
    return { slow: true };
  });
  port = Number(new URL(await listenOn(http, { host: '127.0.0.1', port: 0 })).port);
});
afterEach(async () => {
  finish();
  for (const { socket } of opened.splice(0)) socket.destroy();
  await closeHttp(http);
});

describe('the end of an HTTP server', () => {
  it('answers what is under way, tells its client that the connection ends, and does not wait for the client', async () => {
    const kept = await open();
    kept.ask('/quick');
    await kept.heard('{"quick":true}');
    expect(kept.text).not.toMatch(/connection: close/i);
    kept.ask('/slow');
    await slowAsked;
    const closed = closeHttp(http, { patienceMs: 600_000 });
    finish();
    await closed;
    await kept.heard('{"slow":true}');
    expect(kept.text).toMatch(/connection: close/i);
  });

  it('closes kept connections, and those that were opened in advance and never used', async () => {
    const kept = await open();
    kept.ask('/quick');
    await kept.heard('{"quick":true}');
    await open();
    await closeHttp(http, { patienceMs: 600_000 });
  });

  it('goes on serving for the delay, with the last answer of each connection saying so', async () => {
    const before = await open();
    before.ask('/quick');
    await before.heard('{"quick":true}');
    const clock = new FakeClock();
    let over = false;
    const closed = closeHttp(http, {
      delayMs: 5_000,
      patienceMs: 600_000,
      clock,
      beforeClose: () => {
        over = true;
      },
    });
    const during = await open(); // new connections are taken as well
    for (const kept of [before, during]) {
      kept.text = '';
      kept.ask('/quick');
      await kept.heard('{"quick":true}');
      expect(kept.text).toMatch(/connection: close/i);
    }
    await clock.advance(4_999);
    expect(over).toBe(false);
    await clock.advance(1);
    expect(over).toBe(true);
    await closed;
    await expect(open()).rejects.toThrow('ECONNREFUSED');
  });

  it('cuts what takes longer than its patience, so that the end is always in time', async () => {
    const stuck = await open();
    stuck.ask('/slow');
    const half = await open();
    half.socket.write('POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nand then nothing');
    await slowAsked;
    await closeHttp(http, { patienceMs: 100 });
    expect(stuck.text).toBe('');
  });
});
