import { signerOf } from '../../licence/activation.ts';
import type { AuthorityClient } from './authorityClient.ts';
import type { TrustStore } from './trust.ts';

/** As many of one's own keys are tried: a key set is small. */
const most = 5;

/**
 * The authority has signed with a key that is not trusted: it may have changed its keys since the file was written. Asks
 * it for its key set, signed by a key that is trusted, and takes that up.
 * @returns the new key's kid, if it is trusted from now on
 */
export async function learnSigner(
  activation: string,
  trust: TrustStore,
  authority: AuthorityClient,
): Promise<string | undefined> {
  const kid = signerOf(activation);
  if (kid === undefined) return undefined;
  for (const voucher of [...trust.configured.keys()].slice(0, most)) {
    const set = await authority.keySet(voucher);
    if (set !== undefined && (await trust.learn(set, kid))) return kid;
  }
  return undefined;
}
