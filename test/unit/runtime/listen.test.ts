import { afterEach, expect, it } from 'vitest';
import { listen, readConfig } from '../../../runtime/config.ts';
import { createHttp, type Http, listenOn } from '../../../runtime/httpShell.ts';
import { createLog } from '../../../runtime/log.ts';
import { hasIpv6 } from '../../support/hasIpv6.ts';

let http: Http | undefined;
afterEach(() => http?.close());

/** What a program answers at an address, that listens as its setting says. */
async function reached(setting: string, host: string): Promise<number | undefined> {
  const { T_LISTEN } = readConfig({ T_LISTEN: listen('address', setting) }, {}, []);
  http = createHttp(createLog('test', 'silent'));
  http.get('/', async () => 'here');
  const { port } = new URL(await listenOn(http, T_LISTEN));
  return (await fetch(`http://${host}:${port}/`)).status;
}

it.each(['127.0.0.1', ...(hasIpv6 ? ['[::1]'] : [])])(
  'a port without an address is every address: %s',
  async (host) => {
    expect(await reached(':0', host)).toBe(200);
  },
);

it.runIf(hasIpv6)('an IPv6 address stands in brackets', async () => {
  expect(await reached('[::1]:0', '[::1]')).toBe(200);
});
