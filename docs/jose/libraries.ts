import { execFileSync } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { createActivation } from '../../licence/activation.ts';
import { fingerprintOf, rawPublicKey } from '../../licence/fingerprint.ts';
import { publicJwk, thumbprintOf } from '../../licence/jwks.ts';
import { holderKey } from '../../server/seats/holderKey.ts';
import { proofOf } from '../../server/seats/proof.ts';

// `npm run jose [-- --write]`: which JOSE libraries verify an activation and a proof by their usual call. Each is installed in a pinned version
// into a temporary folder and run; it needs the network and the languages, so it is no part of the tests. `--write` puts the table
// into docs/protocol.md.

interface Language {
  readonly name: string;
  /** Library → version, as the table shows it. */
  readonly versions: Readonly<Record<string, string>>;
  /** Installs in `dir`, where this folder's files are; answers the command that takes the file of tokens. */
  install(dir: string): readonly [string, ...string[]];
}

const npm = { jose: '6.2.18', 'fast-jwt': '6.3.6', jsonwebtoken: '9.0.3' };
const maven = {
  'com.nimbusds:nimbus-jose-jwt': '10.10',
  'com.google.crypto.tink:tink': '1.20.0',
  'com.google.code.gson:gson': '2.13.2',
  'com.google.protobuf:protobuf-java': '4.33.1',
  'org.bitbucket.b_c:jose4j': '0.9.7',
  'org.slf4j:slf4j-api': '2.0.17',
  'org.slf4j:slf4j-nop': '2.0.17',
  'io.jsonwebtoken:jjwt-api': '0.13.0',
  'io.jsonwebtoken:jjwt-impl': '0.13.0',
  'io.jsonwebtoken:jjwt-jackson': '0.13.0',
  'com.fasterxml.jackson.core:jackson-databind': '2.20.1',
  'com.fasterxml.jackson.core:jackson-core': '2.20.1',
  'com.fasterxml.jackson.core:jackson-annotations': '2.20',
};
/** Versions that a file of the language itself pins. */
const pinned = (file: string, form: RegExp): Record<string, string> =>
  Object.fromEntries(
    [...readFileSync(join(import.meta.dirname, file), 'utf8').matchAll(form)].map((m) => [m[1] ?? '', m[2] ?? '']),
  );

const run = (dir: string, command: string, ...args: string[]): string =>
  execFileSync(command, args, { cwd: dir, stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26 }).toString();

const languages: readonly Language[] = [
  {
    name: 'Python',
    versions: pinned('requirements.txt', /^(\w+)(?:\[\w+\])?==(\S+)$/gm),
    install: (dir) => {
      run(dir, 'python3', '-m', 'venv', 'venv');
      run(dir, 'venv/bin/pip', 'install', '--quiet', '-r', 'requirements.txt');
      return [join(dir, 'venv/bin/python'), 'verify.py'];
    },
  },
  {
    name: 'JavaScript',
    versions: npm,
    install: (dir) => {
      run(dir, 'npm', 'install', '--no-save', '--no-audit', ...Object.entries(npm).map(([name, v]) => `${name}@${v}`));
      return [process.execPath, 'verify.mjs'];
    },
  },
  {
    name: 'Go',
    versions: pinned('go.mod', /\/(go-jose|jwx|jwt)\/v\d+ v(\S+)$/gm),
    install: (dir) => {
      run(dir, 'go', 'mod', 'tidy');
      run(dir, 'go', 'build', '-o', 'verify', '.');
      return [join(dir, 'verify')];
    },
  },
  {
    name: 'Java',
    versions: { 'nimbus-jose-jwt': maven['com.nimbusds:nimbus-jose-jwt'], jose4j: '0.9.7', jjwt: '0.13.0' },
    install: (dir) => {
      const jars = Object.entries(maven).map(([coordinate, version]) => {
        const [group = '', artifact = ''] = coordinate.split(':');
        const file = `${artifact}-${version}.jar`;
        const path = [...group.split('.'), artifact, version, file].join('/');
        run(dir, 'curl', '-fsSL', '-o', file, `https://repo1.maven.org/maven2/${path}`);
        return join(dir, file);
      });
      const classPath = [dir, ...jars].join(':');
      run(dir, 'javac', '-cp', classPath, 'Verify.java');
      return ['java', '-cp', classPath, 'Verify'];
    },
  },
  {
    name: 'Rust',
    versions: pinned('Cargo.toml', /^(jsonwebtoken|jwt-simple) = \{ version = "=([^"]+)"/gm),
    install: (dir) => {
      run(dir, 'cargo', 'build', '--quiet');
      return [join(dir, 'target/debug/verify')];
    },
  },
];

/** An activation and a proof as they are made today, and by which keys they are to be verified. */
function tokens() {
  const [vendor, server] = [generateKeyPairSync('ed25519'), generateKeyPairSync('ed25519')];
  const raw = rawPublicKey(server.publicKey);
  const serverPublicKey = raw.toString('base64url');
  const vendorJwk = publicJwk(rawPublicKey(vendor.publicKey).toString('base64url'));
  const entitlements = { licenceId: 'l-1', organisation: 'Sample', product: 'erp', seatLimit: 5 };
  const activation = createActivation(
    {
      ...{ keyId: '0123456789ab', generation: 1, fingerprint: fingerprintOf(raw), serverPublicKey, sequence: 1 },
      issuedAt: '2026-01-01T00:00:00Z',
      entitlements: { ...entitlements, supportPolicy: 'warn', features: [] },
    },
    vendorJwk.kid,
    vendor.privateKey,
  );
  const nowMs = Date.now();
  const holder = holderKey({ base: 'trade', user: 'anna', host: 'pc-1', session: '7' });
  const proof = proofOf(
    { fingerprint: fingerprintOf(raw), sign: (bytes) => sign(null, bytes, server.privateKey) },
    activation,
    { product: 'erp', holder, leaseId: 'lease-1', nonce: 'n-1', nowMs, expiresAtMs: nowMs + 3_600_000 },
  );
  const serverJwk = { ...publicJwk(serverPublicKey), kid: fingerprintOf(raw) };
  if (vendorJwk.kid !== thumbprintOf(vendorJwk.x)) throw new Error('the kid is no thumbprint');
  return {
    activation: { token: activation, keys: { keys: [vendorJwk] }, member: 'keyId', value: '0123456789ab' },
    proof: { token: proof, keys: { keys: [serverJwk] }, member: 'leaseId', value: 'lease-1' },
  };
}

interface Line {
  readonly library: string;
  readonly token: 'activation' | 'proof';
  readonly fault: string | null;
}

const names = languages.map(({ name }) => name);
const options = new Command('jose')
  .description('Which JOSE libraries verify our activations and proofs by their usual call.')
  .option('--only <languages>', `of ${names.join(', ')}`, (text) => text.split(','), names)
  .option('--write', 'puts the table into docs/protocol.md')
  .parse()
  .opts<{ only: string[]; write?: boolean }>();

const rows: string[] = [];
let faults = 0;
for (const language of languages.filter(({ name }) => options.only.includes(name))) {
  const dir = mkdtempSync(join(tmpdir(), 'jose-'));
  try {
    process.stderr.write(`${language.name}: installing\n`);
    cpSync(import.meta.dirname, dir, { recursive: true });
    const [command, ...args] = language.install(dir);
    writeFileSync(join(dir, 'tokens.json'), JSON.stringify(tokens()));
    const lines = run(dir, command, ...args, 'tokens.json')
      .trim()
      .split('\n');
    const found = lines.map((line) => JSON.parse(line) as Line);
    for (const library of new Set(found.map((line) => line.library))) {
      const said = (token: Line['token']) => {
        const line = found.find((each) => each.library === library && each.token === token);
        if (line?.fault !== null) faults += 1;
        return line?.fault === null ? 'yes' : `no: ${line?.fault ?? 'nothing said'}`.replaceAll('|', '/');
      };
      const version = language.versions[library] ?? language.versions[library.replace('golang-', '')] ?? '';
      rows.push(`| ${language.name} | ${library} ${version} | ${said('activation')} | ${said('proof')} |`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
const table = ['| Language | Library | activation | proof |', '|---|---|---|---|', ...rows].join('\n');
process.stdout.write(`${table}\n`);
if (options.write === true) {
  const page = join(import.meta.dirname, '../protocol.md');
  const text = readFileSync(page, 'utf8');
  const form = /(<!-- libraries -->\n)[\s\S]*?(\n<!-- \/libraries -->)/;
  if (!form.test(text)) throw new Error('docs/protocol.md has no place for the table');
  writeFileSync(page, text.replace(form, `$1${table}$2`));
}
process.stderr.write(faults === 0 ? 'all of them do\n' : `${faults} of ${rows.length * 2} do not\n`);
