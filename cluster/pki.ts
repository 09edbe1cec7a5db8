import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './process.ts';

/** Paths of a certificate and its key, both PEM. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority in a directory. Another process that knows the directory can issue from it too. */
export interface CertificateAuthority {
  readonly dir: string;
  readonly cert: string;
  readonly key: string;
  readonly certPem: string;
  /** A certificate for a client: Kubernetes takes the user's name from CN and the groups from O. */
  client(file: string, user: string, groups?: readonly string[]): Promise<Pair>;
  /** A certificate for a server under these names: `DNS:localhost`, `IP:127.0.0.1`. */
  server(file: string, commonName: string, names: readonly string[]): Promise<Pair>;
}

const days = ['-days', '3650'];
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const req = (dir: string, args: readonly string[]) =>
  // Its own configuration: the system's would add extensions of a CA to every certificate.
  run('openssl', ['req', '-x509', '-config', join(dir, 'openssl.cnf'), ...newKey, ...days, ...args]);
const slashless = (text: string) => text.replaceAll('/', '\\/');

/** Makes a new authority in `dir`. */
export async function createAuthority(dir: string): Promise<CertificateAuthority> {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  writeFileSync(join(dir, 'openssl.cnf'), '[req]\ndistinguished_name = dn\n[dn]\n');
  await req(dir, [
    ...['-subj', '/CN=licence-cluster-ca', '-keyout', join(dir, 'ca.key'), '-out', join(dir, 'ca.crt')],
    ...['-addext', 'basicConstraints=critical,CA:TRUE'],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign,digitalSignature'],
  ]);
  return openAuthority(dir);
}

/** Opens an authority that is already in `dir`. */
export function openAuthority(dir: string): CertificateAuthority {
  const ca = { cert: join(dir, 'ca.crt'), key: join(dir, 'ca.key') };
  const issue = async (file: string, subject: string, extensions: readonly string[]): Promise<Pair> => {
    const pair = { cert: join(dir, `${file}.crt`), key: join(dir, `${file}.key`) };
    await req(dir, [
      ...['-CA', ca.cert, '-CAkey', ca.key, '-subj', subject, '-keyout', pair.key, '-out', pair.cert],
      ...['basicConstraints=critical,CA:FALSE', 'keyUsage=digitalSignature', ...extensions].flatMap((e) => [
        '-addext',
        e,
      ]),
    ]);
    return pair;
  };
  return {
    ...ca,
    dir,
    certPem: readFileSync(ca.cert, 'utf8'),
    client: (file, user, groups = []) =>
      issue(file, `${groups.map((g) => `/O=${slashless(g)}`).join('')}/CN=${slashless(user)}`, [
        'extendedKeyUsage=clientAuth',
      ]),
    server: (file, commonName, names) =>
      issue(file, `/CN=${commonName}`, ['extendedKeyUsage=serverAuth', `subjectAltName=${names.join(',')}`]),
  };
}
