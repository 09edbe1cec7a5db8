import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import Provider from 'oidc-provider';

/** Somebody whom an identity provider knows; whoever signs in there is believed to be who they say. */
export interface Account {
  readonly email: string;
  readonly email_verified: boolean;
  readonly name: string;
}

/** What the cabinet is to the provider. */
export const cabinetClient = { clientId: 'cabinet', clientSecret: 'a-secret-of-the-cabinet' };

/**
 * A real OpenID Connect provider on loopback, with its own pages to sign in and to consent.
 * @param home of the cabinet, with a slash at its end
 * @param accounts by what people type there as their name
 */
export async function startProvider(home: string, accounts: Readonly<Record<string, Account>>) {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: cabinetClient.clientId,
        client_secret: cabinetClient.clientSecret,
        redirect_uris: [`${home}v1/sign-on/callback`],
      },
    ],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    findAccount: (_: unknown, sub: string) => ({ accountId: sub, claims: async () => ({ sub, ...accounts[sub] }) }),
    pkce: { required: () => true },
  });
  server.on('request', provider.callback());
  return {
    issuer,
    end: () =>
      new Promise<void>((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
