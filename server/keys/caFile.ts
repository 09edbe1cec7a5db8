import { holdsCertificates } from '../../runtime/certificates.ts';
import { readSmallFileSync } from '../../runtime/smallFile.ts';

/** A file of certificates that is read again before each use, so that a replaced one needs no restart. */
export interface CertificatesFile {
  /** As they were last sound. */
  readonly pem: string;
  /** Why the file does not count as it is now; undefined: it does. */
  readonly trouble: string | undefined;
  /** Reads it again. */
  look(): void;
}

/** @throws Error naming the setting when there is no sound file at the start */
export function followCertificates(path: string, setting: string): CertificatesFile {
  const read = (): string => {
    let pem: string;
    try {
      pem = readSmallFileSync(path);
    } catch (error) {
      throw new Error(`${setting}: cannot read ${path} (${(error as NodeJS.ErrnoException).code})`);
    }
    if (!holdsCertificates(pem)) throw new Error(`${setting}: ${path} holds no certificates as PEM`);
    return pem;
  };
  let pem = read();
  let trouble: string | undefined;
  return {
    get pem() {
      return pem;
    },
    get trouble() {
      return trouble;
    },
    look: () => {
      try {
        pem = read();
        trouble = undefined;
      } catch (error) {
        trouble = `${error instanceof Error ? error.message : String(error)}; the last sound ones count`;
      }
    },
  };
}
