import * as oidc from 'openid-client';
import type { Logger } from '../../runtime/log.ts';
import { writeAudit } from '../audit.ts';
import type { Client } from '../database.ts';
import { type Answer, refused } from './answer.ts';
import { actorOf } from './asking.ts';
import type { CabinetDeps } from './cabinet.ts';
import { comeIn, notOpen } from './invitations.ts';
import { emailOf, type PersonRow, personColumns, personOf } from './people.ts';
import { hashOfToken, newToken, openSession, pruneSessions } from './sessions.ts';
import type { SignedIn } from './signIn.ts';

/** Sign-in by an identity provider: OpenID Connect, authorization code with PKCE, by `openid-client`. */

/** How long somebody may take at the provider. */
const signOnMs = 10 * 60_000;
/** Sends somebody to the provider. Answers where to, and the token by which the browser is known when it comes back. */
export async function beginSignOn(
  deps: CabinetDeps,
  invitation: string | undefined,
  log: Logger,
): Promise<Answer<{ url: string; token: string }>> {
  const { provider } = deps;
  if (provider === undefined) return noProvider;
  const configuration = await provider.discovered().catch((error: unknown) => {
    log.warn({ err: error }, 'the identity provider does not answer');
    return undefined;
  });
  if (configuration === undefined) return unreachable;
  const [token, state, nonce, verifier] = [
    newToken(),
    oidc.randomState(),
    oidc.randomNonce(),
    oidc.randomPKCECodeVerifier(),
  ];
  const challenge = await oidc.calculatePKCECodeChallenge(verifier);
  await deps.transact(async (client) => {
    const nowMs = await deps.now(client);
    await client.query('DELETE FROM sign_on WHERE created_at < $1', [new Date(nowMs - signOnMs)]);
    await client.query(
      `INSERT INTO sign_on (id_hash, state, nonce, code_verifier, invitation_hash, created_at)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [
        hashOfToken(token),
        state,
        nonce,
        verifier,
        invitation === undefined ? null : hashOfToken(invitation),
        new Date(nowMs),
      ],
    );
  });
  const url = oidc.buildAuthorizationUrl(configuration, {
    redirect_uri: provider.callback,
    scope: 'openid email profile',
    state,
    nonce,
    code_challenge: challenge,
    code_challenge_method: 'S256',
  });
  return { ok: true, value: { url: url.href, token } };
}

interface SignOnRow {
  state: string;
  nonce: string;
  code_verifier: string;
  invitation_hash: Buffer | null;
}

/**
 * The browser comes back: whoever the provider says it is, is signed in. Each way back is good once, in the browser that went.
 * @param token of the browser's cookie
 * @param search of the address that it came to
 */
export async function endSignOn(
  deps: CabinetDeps,
  { token, search, address }: { readonly token: string | undefined; readonly search: string; readonly address: string },
  log: Logger,
): Promise<Answer<SignedIn>> {
  const { provider } = deps;
  if (provider === undefined) return noProvider;
  const begun = token === undefined ? undefined : await takeSignOn(deps, hashOfToken(token));
  if (begun === undefined) return notBegun;
  let claims: oidc.IDToken | undefined;
  try {
    const configuration = await provider.discovered();
    const at = new URL(provider.callback);
    at.search = search;
    const tokens = await oidc.authorizationCodeGrant(configuration, at, {
      expectedState: begun.state,
      expectedNonce: begun.nonce,
      pkceCodeVerifier: begun.code_verifier,
      idTokenExpected: true,
    });
    claims = tokens.claims();
  } catch (error) {
    log.warn({ err: error }, 'a sign-in by the identity provider was refused');
    return refusedThere;
  }
  if (claims === undefined) return refusedThere;
  const who = identityOf(claims);
  return deps.transact(async (client): Promise<Answer<SignedIn>> => {
    const nowMs = await deps.now(client);
    const row = await personBy(client, who);
    if (row !== undefined) {
      const outcome = row.disabled_at === null ? 'ok' : stranger.problem.reason;
      const organisationId = row.organisation_id ?? undefined;
      const by = { actor: actorOf(organisationId), person: row.email, address };
      await writeAudit(client, nowMs, { by, action: 'sign-on', outcome, organisationId });
      if (row.disabled_at !== null) return stranger;
      await link(client, row.id, who);
      await pruneSessions(client, nowMs, deps.sessionTimes);
      return { ok: true, value: { token: await openSession(client, row.id, nowMs, address), person: personOf(row) } };
    }
    if (begun.invitation_hash === null) return stranger;
    const come = await comeIn(
      client,
      deps,
      begun.invitation_hash,
      { name: who.name ?? who.email ?? 'somebody', passwordHash: null },
      address,
    );
    if (!come.ok) return notOpen;
    await link(client, come.value.person.id, who);
    return come;
  });
}

interface Identity {
  readonly issuer: string;
  readonly subject: string;
  /** Only one that the provider has verified. */
  readonly email: string | undefined;
  readonly name: string | undefined;
}

const identityOf = (claims: oidc.IDToken): Identity => ({
  issuer: claims.iss,
  subject: claims.sub,
  email: typeof claims.email === 'string' && claims.email_verified === true ? emailOf(claims.email) : undefined,
  name: typeof claims.name === 'string' ? claims.name.slice(0, 200) : undefined,
});

/** By the provider's own name of the person; at the first time by the verified e-mail of who has no such name yet. */
async function personBy(client: Client, { issuer, subject, email }: Identity): Promise<PersonRow | undefined> {
  const { rows } = await client.query<PersonRow>(
    `SELECT ${personColumns} FROM person p WHERE (p.oidc_issuer = $1 AND p.oidc_subject = $2)
       OR (p.oidc_subject IS NULL AND p.email = $3) ORDER BY p.oidc_subject NULLS LAST LIMIT 1 FOR UPDATE`,
    [issuer, subject, email ?? null],
  );
  return rows[0];
}

const link = (client: Client, personId: string, { issuer, subject }: Identity) =>
  client.query('UPDATE person SET oidc_issuer = $2, oidc_subject = $3 WHERE id = $1', [personId, issuer, subject]);

/** What was begun in this browser, taken away: no way back is good twice. */
const takeSignOn = ({ transact, now }: CabinetDeps, idHash: Buffer): Promise<SignOnRow | undefined> =>
  transact(async (client) => {
    const oldest = new Date((await now(client)) - signOnMs);
    const { rows } = await client.query<SignOnRow & { created_at: Date }>(
      'DELETE FROM sign_on WHERE id_hash = $1 RETURNING state, nonce, code_verifier, invitation_hash, created_at',
      [idHash],
    );
    return rows.find((row) => row.created_at > oldest);
  });

const noProvider = refused(404, 'ProviderMissing', 'this authority has no identity provider; sign in by password');
const unreachable = refused(503, 'ProviderUnreachable', 'the identity provider does not answer; try again in a minute');
const notBegun = refused(
  400,
  'SignOnNotBegun',
  'this sign-in was not begun in this browser, or too long ago; begin it again',
);
const refusedThere = refused(403, 'SignOnRefused', 'the identity provider did not confirm who you are; begin again');
const stranger = refused(
  403,
  'PersonUnknown',
  'nobody here has this identity; open the link of your invitation first, or ask the vendor for one',
);
