import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Access, createKubeApi } from './kubeApi.ts';
import { openAuthority, type Pair } from './pki.ts';

/** How a client proves who it is. */
export type Credential = { readonly pair: Pair } | { readonly token: string };

/** A kubeconfig with everything inside it (JSON, which is YAML too), readable by its owner only. Answers the path. */
export function writeKubeconfig(file: string, url: string, caPem: string, credential: Credential): string {
  const base64 = (path: string) => readFileSync(path).toString('base64');
  const user =
    'token' in credential
      ? { token: credential.token }
      : {
          'client-certificate-data': base64(credential.pair.cert),
          'client-key-data': base64(credential.pair.key),
        };
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'cluster',
    contexts: [{ name: 'cluster', context: { cluster: 'cluster', user: 'user' } }],
    clusters: [
      {
        name: 'cluster',
        cluster: { server: url, 'certificate-authority-data': Buffer.from(caPem).toString('base64') },
      },
    ],
    users: [{ name: 'user', user }],
  };
  writeFileSync(file, `${JSON.stringify(config, null, 2)}\n`, { mode: 0o600 });
  return file;
}

/** Reads a kubeconfig that `writeKubeconfig` wrote. */
export function readKubeconfig(file: string): Access {
  const config = JSON.parse(readFileSync(file, 'utf8'));
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  const text = (value: string | undefined) =>
    value === undefined ? undefined : Buffer.from(value, 'base64').toString();
  const certPem = text(user['client-certificate-data']);
  const keyPem = text(user['client-key-data']);
  return {
    url: cluster.server,
    caPem: text(cluster['certificate-authority-data']) ?? '',
    ...(certPem === undefined || keyPem === undefined ? {} : { certPem, keyPem }),
    ...(user.token === undefined ? {} : { token: user.token }),
  };
}

const fresh = (dir: string, name: string) =>
  join(dir, `${name.replaceAll(/[^a-zA-Z0-9.-]/g, '-')}-${randomBytes(4).toString('hex')}`);

/**
 * A kubeconfig for a user with a client certificate; nobody needs to know the user before.
 * @param clusterDir the `dir` of a control plane or cluster; any process of the same user can call this
 */
export async function userKubeconfig(
  clusterDir: string,
  user: string,
  groups: readonly string[] = [],
): Promise<string> {
  const admin = readKubeconfig(join(clusterDir, 'kubeconfig'));
  const file = fresh(clusterDir, user);
  const pair = await openAuthority(join(clusterDir, 'pki')).client(file.slice(clusterDir.length + 1), user, groups);
  return writeKubeconfig(`${file}.kubeconfig`, admin.url, admin.caPem, { pair });
}

/** A kubeconfig with a token (a day) of a ServiceAccount that exists. */
export async function serviceAccountKubeconfig(clusterDir: string, namespace: string, name: string): Promise<string> {
  const admin = join(clusterDir, 'kubeconfig');
  const { url, caPem } = readKubeconfig(admin);
  const answer = await createKubeApi(readKubeconfig(admin)).request(
    'POST',
    `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`,
    { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec: { expirationSeconds: 24 * 3600 } },
  );
  const token = (answer.body as { status?: { token?: string } }).status?.token;
  if (token === undefined) {
    throw new Error(`no token for ServiceAccount ${namespace}/${name}: ${JSON.stringify(answer.body)}`);
  }
  return writeKubeconfig(`${fresh(clusterDir, `${namespace}-${name}`)}.kubeconfig`, url, caPem, { token });
}
