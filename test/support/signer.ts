import { generateKeyPairSync } from 'node:crypto';
import { rawPublicKey } from '../../licence/fingerprint.ts';

/** Somebody with an Ed25519 key of his own. */
export function generateSigner() {
  const { privateKey } = generateKeyPairSync('ed25519');
  return { privateKey, publicKey: rawPublicKey(privateKey).toString('base64url') };
}
