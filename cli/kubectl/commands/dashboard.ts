import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Context } from '../context.ts';
import { openServer } from '../serverLink.ts';

const openers = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''], linux: ['xdg-open'] } as const;

/** `dashboard NAME`: the server's page in a browser, signed in, for as long as the command runs. */
export async function dashboard(
  context: Context,
  [name]: readonly string[],
  options: { open: boolean; port?: string },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server, options.port === undefined ? 0 : Number(options.port));
  try {
    await link.call('GET', '/v1/status'); // a page that cannot be reached is told before a browser shows it
    const address = `${link.url}/#token=${link.token}`;
    context.out(`${link.url}/\n`);
    context.say(`the page of ${server.metadata.name}, signed in as its administrator. Ctrl-C ends it.`);
    const opener: readonly string[] = openers[process.platform as keyof typeof openers] ?? openers.linux;
    if (options.open) openBrowser(opener, address, () => context.say(`no browser could be opened; open ${address}`));
    else context.say(`sign in with: ${address}`);
    await once(context.cluster.signal, 'abort');
    return undefined;
  } finally {
    link.close();
  }
}

function openBrowser([program = '', ...args]: readonly string[], address: string, orElse: () => void): void {
  const child = spawn(program, [...args, address], { stdio: 'ignore', detached: true });
  child.on('error', orElse);
  child.unref();
}
