import { writeFileSync } from 'node:fs';
import { kinds } from '../../../operator/kube/resourceKind.ts';
import type { Context } from '../context.ts';
import { CommandFault } from '../exitStatus.ts';
import { gitOpsOwnerOf } from '../ownedByGitOps.ts';
import { openServer } from '../serverLink.ts';
import { textOfFile } from '../textOfFile.ts';
import { specKey } from './rotate.ts';

/** `request NAME [KEY]`: the file that is carried to where the authority can be reached. */
export async function request(
  context: Context,
  [name = '', keyName]: readonly string[],
  options: { keyFile?: string; toFile?: string },
): Promise<undefined> {
  const server = await context.server(name);
  const link = await openServer(context.cluster, server);
  try {
    const made =
      options.keyFile === undefined
        ? await link.call('GET', `/v1/activation/request?name=${encodeURIComponent(specKey(server, keyName).name)}`)
        : await link.call('POST', '/v1/activation/request', { key: textOfFile(options.keyFile, '--key-file').trim() });
    const text = `${JSON.stringify(made, undefined, 2)}\n`;
    if (options.toFile === undefined) context.out(text);
    else writeFileSync(options.toFile, text, { mode: 0o600 });
    context.say('it holds the key: keep it as you keep the key. The vendor answers it; then: kubectl licence respond');
    return undefined;
  } finally {
    link.close();
  }
}

/** `respond NAME [KEY] --from-file FILE`: brings the vendor's answer in: into the Secret in mode Offline, else into the server. */
export async function respond(
  context: Context,
  [name = '', keyName]: readonly string[],
  options: { fromFile: string },
): Promise<undefined> {
  const server = await context.server(name);
  const answer = answerIn(textOfFile(options.fromFile));
  const { activation: { mode } = {} } = server.spec as { readonly activation?: { readonly mode?: string } };
  const hasKeys = ((server.spec as { readonly keys?: readonly unknown[] }).keys ?? []).length > 0;
  if (mode === 'Offline' && hasKeys) {
    const { client, signal } = context.cluster;
    const { secretRef } = specKey(server, keyName);
    const secret = await client.get(kinds.Secret, server.metadata.namespace, secretRef.name, signal);
    if (secret === undefined)
      throw new CommandFault(`Secret ${secretRef.name} does not exist`, 'create it with the key first');
    const owner = gitOpsOwnerOf(secret);
    if (owner !== undefined)
      throw new CommandFault(
        `Secret ${secretRef.name} is looked after by ${owner}`,
        `put the activation there, under "${secretRef.key}.activation"`,
      );
    const data = { [`${secretRef.key}.activation`]: Buffer.from(answer.activation).toString('base64') };
    await client.mergePatch(kinds.Secret, server.metadata.namespace, secretRef.name, { data }, undefined, signal);
    context.say(
      `the activation is in Secret ${secretRef.name}; "kubectl licence status ${server.metadata.name}" follows it`,
    );
    return undefined;
  }
  const link = await openServer(context.cluster, server);
  try {
    const key = await link.call<{ keyId?: string; product?: string; state: string }>(
      'POST',
      '/v1/activation/response',
      answer,
    );
    context.out(`${key.keyId} ${key.state}: ${key.product ?? ''}\n`);
    return undefined;
  } finally {
    link.close();
  }
}

function answerIn(text: string): { readonly activation: string } {
  try {
    const answer = JSON.parse(text) as { readonly activation?: unknown };
    if (typeof answer.activation === 'string') return answer as { readonly activation: string };
  } catch {
    if (/^[\w-]+\.[\w-]+\.[\w-]+\s*$/.test(text)) return { activation: text.trim() };
  }
  throw new CommandFault(
    "that is not the vendor's answer",
    'it is a file with "activation", as the cabinet or licence-authority gives it',
  );
}
