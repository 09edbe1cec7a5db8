import { X509Certificate } from 'node:crypto';
import { accessSync, constants, existsSync, readdirSync, readFileSync, statfsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isExpired, verifyActivation } from '../../licence/activation.ts';
import { momentOf } from '../../licence/moment.ts';
import { readSmallFile } from '../../runtime/smallFile.ts';
import { roles, shortestToken } from '../access/tokens.ts';
import { isNearlyFull, roomOf } from '../dataVolume.ts';
import { readConfiguredKeys } from '../keys/configuredKeys.ts';
import { type Identity, loadIdentity } from '../keys/identity.ts';
import { openTrust, type Trust } from '../keys/trust.ts';
import type { ServerConfig } from '../settings.ts';
import { readCertificate } from '../tls.ts';
import { type Finding, fail, ok, warn } from './finding.ts';

// Checks of what lies on the disk. Nothing is made, changed or locked.

const codeOf = (error: unknown): string =>
  (error as NodeJS.ErrnoException).code ?? (error instanceof Error ? error.message : String(error));
const uid = process.getuid?.();
/** As root everything can be read; what counts is whom it belongs to. */
const isForeign = (owner: number): boolean => uid !== undefined && uid !== 0 && owner !== uid;
const modeText = (mode: number): string => (mode & 0o777).toString(8).padStart(4, '0');

export function checkDataDirectory(dataDir: string): Finding[] {
  const check = 'data-directory';
  const found = statSync(dataDir, { throwIfNoEntry: false });
  if (found === undefined) {
    return [
      warn(
        check,
        `${dataDir} is not there`,
        'the first start makes it; if there was one, name it in LICENCE_DATA_DIR or mount it',
      ),
    ];
  }
  if (!found.isDirectory()) return [fail(check, `${dataDir} is no directory`, 'move the file away')];
  const findings: Finding[] = [];
  for (const dir of [dataDir, join(dataDir, 'Licence')].filter((d) => existsSync(d))) {
    if (!statSync(dir).isDirectory()) {
      findings.push(fail(check, `${dir} is no directory`, 'move the file away'));
      continue;
    }
    try {
      accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK);
    } catch (error) {
      findings.push(
        fail(
          check,
          `${dir} cannot be read and written (${codeOf(error)})`,
          'give it to the user that runs the server: chown -R',
        ),
      );
    }
  }
  // a volume's directory may be root's, and its group's to use
  if (isForeign(found.uid) && findings.length > 0)
    findings.push(
      warn(
        check,
        `${dataDir} belongs to user ${found.uid}, this is user ${uid}`,
        'run this as the user that runs the server',
      ),
    );
  if (process.platform !== 'win32' && (found.mode & 0o002) !== 0) {
    findings.push(
      fail(check, `${dataDir} can be written by everybody (${modeText(found.mode)})`, `chmod 700 '${dataDir}'`),
    );
  }
  if (existsSync(join(dataDir, 'import.ready'))) {
    findings.push(warn(check, 'an import has not been moved into place', 'start the server: it ends the import'));
  }
  return findings.length > 0 ? findings : [ok(check, `${dataDir} can be read and written by this user`)];
}

const gib = 2 ** 30;
/** PostgreSQL cannot go on without room for the next file of its log. */
const walSegment = 16 * 2 ** 20;

export function checkDisk(dataDir: string): Finding {
  const check = 'disk';
  if (!existsSync(dataDir)) return ok(check, 'nothing to look at yet');
  const stats = statfsSync(dataDir);
  const room = roomOf(stats);
  const said = `${(room.freeBytes / gib).toFixed(1)} GiB of ${(room.sizeBytes / gib).toFixed(1)} free`;
  const todo = 'free some space, or make the volume larger; full, it takes no seats (503) until there is room';
  if (stats.files > 0 && stats.ffree === 0) return fail(check, 'the file system has no file left to give', todo);
  if (room.freeBytes < walSegment) return fail(check, said, todo);
  return isNearlyFull(room) ? warn(check, said, todo) : ok(check, said);
}

export async function checkTrust(config: ServerConfig): Promise<{ finding: Finding; trust: Trust }> {
  const trust = await openTrust(config.LICENCE_TRUSTED_KEYS, config.LICENCE_DATA_DIR).read();
  const check = 'trusted-keys';
  const todo =
    'save /.well-known/jwks.json of the authority over a way that you trust, and name it in LICENCE_TRUSTED_KEYS';
  if (trust.trouble !== undefined) return { trust, finding: fail(check, trust.trouble, todo) };
  return { trust, finding: ok(check, `${trust.keys.size} of the vendor: ${[...trust.keys.keys()].join(', ')}`) };
}

export async function checkIdentity(
  config: ServerConfig,
): Promise<{ finding: Finding; identity: Identity | undefined }> {
  const check = 'identity';
  const file = config.LICENCE_IDENTITY_FILE ?? join(config.LICENCE_DATA_DIR, 'identity.pem');
  if (!existsSync(file)) {
    const finding =
      config.LICENCE_IDENTITY_FILE === undefined && licenceFiles(config.LICENCE_DATA_DIR).length === 0
        ? ok(check, 'none yet; the first start makes one')
        : fail(
            check,
            `${file} is not there`,
            'put it back from a backup: with another identity the activations do not count',
          );
    return { finding, identity: undefined };
  }
  try {
    const identity = await loadIdentity({ dataDir: config.LICENCE_DATA_DIR, file });
    const { mode } = statSync(file);
    const isOpen = process.platform !== 'win32' && (mode & 0o037) !== 0; // a mounted Secret is readable by its group
    const finding = isOpen
      ? warn(
          check,
          `${file} can be read by others (${modeText(mode)}): whoever has it is this computer`,
          `chmod 600 '${file}'`,
        )
      : ok(check, `${identity.fingerprint}; back it up`);
    return { identity, finding };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return {
      identity: undefined,
      finding: fail(check, why, 'put it back from a backup; a new one is another computer'),
    };
  }
}

const licenceFiles = (dataDir: string): string[] => {
  try {
    return readdirSync(join(dataDir, 'Licence'))
      .filter((n) => n.endsWith('.lic') && !n.startsWith('.'))
      .sort();
  } catch {
    return []; // told with the directory
  }
};

/** Each activation as the server would judge it. */
export async function checkActivations(
  dataDir: string,
  trust: Trust,
  identity: Identity | undefined,
  nowMs: number,
): Promise<Finding[]> {
  const check = 'activations';
  const files = licenceFiles(dataDir);
  if (files.length === 0) {
    return [warn(check, 'there is none: no seats', 'install a key: LICENCE_KEYS_DIR, the web page, or POST /v1/keys')];
  }
  if (identity === undefined)
    return [fail(check, `${files.length} that belong to an identity that is not there`, 'see identity')];
  const context = { trusted: trust.keys, fingerprint: identity.fingerprint, publicKey: identity.publicKey, nowMs };
  const judged = files.map(async (name): Promise<Finding> => {
    const path = join(dataDir, 'Licence', name);
    let text: string;
    try {
      text = (await readSmallFile(path)).trim();
    } catch (error) {
      return fail(
        check,
        `${path} cannot be read (${codeOf(error)})`,
        'let the user that runs the server read it, or move away what is no activation',
      );
    }
    const verified = verifyActivation(text, context);
    if (!verified.ok)
      return fail(
        check,
        `${path}: ${verified.message} (${verified.reason})`,
        'remove the file and activate the key again',
      );
    const { keyId, entitlements: e } = verified.activation;
    if (name !== `${keyId}.lic`)
      return fail(check, `${path} is of key ${keyId} and does not count`, `call it ${keyId}.lic`);
    const said = `${name}: ${e.seatLimit} seats of ${e.product} for ${e.organisation}`;
    if (isExpired(verified.activation, nowMs))
      return warn(check, `${said}, ended on ${e.expiresAt}`, 'install a new key');
    if (e.supportUntil !== undefined && Date.parse(e.supportUntil) <= nowMs) {
      return warn(check, `${said}, support ended on ${e.supportUntil}`, 'ask the vendor for an extension');
    }
    return ok(check, said);
  });
  return Promise.all(judged);
}

export async function checkConfiguredKeys(dir: string | undefined): Promise<Finding[]> {
  const check = 'configured-keys';
  if (dir === undefined) return [];
  try {
    const keys = await readConfiguredKeys(dir);
    const faults = keys.flatMap(({ name, parsed }) =>
      parsed.ok ? [] : [fail(check, `${join(dir, name)}: ${parsed.message}`, 'correct the file')],
    );
    if (faults.length > 0) return faults;
    return keys.length === 0
      ? [warn(check, `${dir} has no key`, 'put a file with a key into it')]
      : [ok(check, `${keys.length} in ${dir}, well-formed`)];
  } catch (error) {
    return [
      fail(check, error instanceof Error ? error.message : String(error), 'mount it, or correct LICENCE_KEYS_DIR'),
    ];
  }
}

/** What the server has seen of time, in `settings.json`. */
export function checkClock(dataDir: string, nowMs: number): Finding {
  const check = 'clock';
  const file = join(dataDir, 'settings.json');
  if (nowMs < Date.parse('2026-01-01T00:00:00Z')) return fail(check, `it says ${momentOf(nowMs)}`, 'set it');
  if (!existsSync(file)) return ok(check, momentOf(nowMs));
  let latest: unknown;
  try {
    latest = JSON.parse(readFileSync(file, 'utf8'))?.latestSeenAt;
  } catch (error) {
    return warn(
      'settings-file',
      `${file} cannot be used (${codeOf(error)})`,
      'the next start sets it aside and begins a new one',
    );
  }
  const latestMs = typeof latest === 'string' ? Date.parse(latest) : 0;
  return latestMs > nowMs + 5 * 60_000
    ? fail(
        check,
        `it says ${momentOf(nowMs)}, but ${momentOf(latestMs)} has been seen`,
        'set it; if it is right now, activate a key again',
      )
    : ok(check, momentOf(nowMs));
}

export function checkTokens(config: ServerConfig): Finding[] {
  const check = 'tokens';
  if (config.LICENCE_ACCESS === 'open') {
    return [
      /^(127\.|::1$|localhost$)/.test(config.LICENCE_LISTEN.host)
        ? ok(check, 'access is open, to this computer alone')
        : warn(
            check,
            `access is open: whoever reaches ${config.LICENCE_LISTEN.host} may do everything`,
            'LICENCE_ACCESS=token',
          ),
    ];
  }
  const dir = config.LICENCE_TOKENS_DIR ?? join(config.LICENCE_DATA_DIR, 'tokens');
  if (config.LICENCE_TOKENS_DIR === undefined && !existsSync(dir))
    return [ok(check, 'none yet; the first start makes them')];
  const findings: Finding[] = [];
  for (const role of roles) {
    const file = join(dir, role);
    try {
      const lines = readFileSync(file, 'utf8')
        .split('\n')
        .map((l) => l.trim())
        .filter((l) => l !== '');
      const good = lines.filter((l) => l.length >= shortestToken).length;
      if (good < lines.length)
        findings.push(
          warn(
            check,
            `${file} has a token shorter than ${shortestToken} characters: not accepted`,
            'write a longer one',
          ),
        );
      if (good === 0) findings.push(noToken(role, file));
      const { mode } = statSync(file);
      if (process.platform !== 'win32' && (mode & 0o007) !== 0)
        findings.push(warn(check, `${file} can be read by everybody (${modeText(mode)})`, `chmod 600 '${file}'`));
    } catch (error) {
      findings.push(
        codeOf(error) === 'ENOENT'
          ? noToken(role, file)
          : fail(check, `${file} cannot be read (${codeOf(error)})`, 'let the user that runs the server read it'),
      );
    }
  }
  return findings.length > 0 ? findings : [ok(check, `client, admin and metrics in ${dir}`)];
}

const noToken = (role: string, file: string): Finding =>
  role === 'admin'
    ? fail(
        'tokens',
        `${file} has no token: the server does not start`,
        'write one of at least 16 characters, one token a line',
      )
    : warn('tokens', `${file} has no token: nobody has the role ${role}`, 'write one, if it is wanted');

export function checkCertificate(dir: string | undefined, nowMs: number): Finding[] {
  const check = 'certificate';
  if (dir === undefined) return [];
  try {
    const { cert } = readCertificate(dir);
    const { validTo } = new X509Certificate(cert);
    const untilMs = Date.parse(validTo);
    if (untilMs <= nowMs)
      return [fail(check, `${join(dir, 'tls.crt')} ended on ${validTo}`, 'put a new one there; no restart is needed')];
    if (untilMs < nowMs + 7 * 86_400_000)
      return [warn(check, `${join(dir, 'tls.crt')} ends on ${validTo}`, 'put a new one there; no restart is needed')];
    return [ok(check, `valid until ${validTo}`)];
  } catch (error) {
    return [fail(check, error instanceof Error ? error.message : String(error), 'put tls.crt and tls.key there')];
  }
}
