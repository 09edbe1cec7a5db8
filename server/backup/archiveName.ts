/**
 * The names of archives at a destination: of which computer, of which moment, encrypted or not. What is not named so was not
 * made by a licence server, and is never touched. Pure.
 */
export interface ArchiveName {
  readonly name: string;
  /** First 16 digits of the fingerprint's hash. */
  readonly computer: string;
  /** When it was begun, in whole seconds. */
  readonly atMs: number;
  readonly encrypted: boolean;
}

/** An archive that lies at a destination. */
export interface StoredArchive extends ArchiveName {
  readonly bytes: number;
}

/** What of a fingerprint stands in the name of an archive. */
export const computerOf = (fingerprint: string): string => fingerprint.replace(/^sha256:/, '').slice(0, 16);

/** `licence-server-COMPUTER-20300101T030000Z.tar.gz`, with `.age` at its end if it is encrypted. */
export function archiveNameOf(fingerprint: string, atMs: number, encrypted: boolean): string {
  const at = new Date(atMs).toISOString().replace(/\.\d+/, '').replaceAll(/[-:]/g, '');
  return `licence-server-${computerOf(fingerprint)}-${at}.tar.gz${encrypted ? '.age' : ''}`;
}

const pattern = /^licence-server-([0-9a-f]{16})-(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z\.tar\.gz(\.age)?$/;

/** What a name says; undefined: it is no archive's. */
export function parseArchiveName(name: string): ArchiveName | undefined {
  const [, computer = '', year, month, day, hour, minute, second, age] = pattern.exec(name) ?? [];
  const atMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  return Number.isNaN(atMs) ? undefined : { name, computer, atMs, encrypted: age !== undefined };
}

/** The archives among what lies somewhere, the newest first. */
export const archivesIn = (stored: readonly { readonly name: string; readonly bytes: number }[]): StoredArchive[] =>
  stored
    .flatMap(({ name, bytes }) => {
      const parsed = parseArchiveName(name);
      return parsed === undefined ? [] : [{ ...parsed, bytes }];
    })
    .sort((a, b) => b.atMs - a.atMs || (a.name < b.name ? 1 : -1));
