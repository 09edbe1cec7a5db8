import { readSmallFileSync } from './smallFile.ts';

/** What is wrong with the URL of a proxy, as the rest of a sentence that begins with where it stands; never with the URL, which may hold a password. */
export function proxyFault(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  return url !== undefined && ['http:', 'https:'].includes(url.protocol) && url.hostname !== ''
    ? undefined
    : 'is no URL of a proxy such as http://proxy.example.org:3128 (a password percent-encoded)';
}

/** The setting that names a file with the URL. */
export const proxyFileSetting = 'LICENCE_PROXY_FILE';

/** The proxy's URL from a file, read at each use so that a changed password needs no restart. @throws Error naming the file, never what is in it */
export function readProxyFile(path: string): string {
  let text: string;
  try {
    text = readSmallFileSync(path).trim();
  } catch (error) {
    throw new Error(`${proxyFileSetting}: cannot read ${path} (${(error as NodeJS.ErrnoException).code})`);
  }
  const fault = proxyFault(text);
  if (fault !== undefined) throw new Error(`${proxyFileSetting}: what ${path} holds ${fault}`);
  return text;
}
