import * as oidc from 'openid-client';
import { fetch } from 'undici';
import { createOutwardAgent } from '../../runtime/outwardAgent.ts';

export interface ProviderSettings {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** As people know it: what the button says. */
  readonly name: string;
  /** Where people find the cabinet, with a slash at its end. */
  readonly cabinetUrl: string;
}

export interface IdentityProvider {
  readonly name: string;
  /** The cabinet's address. */
  readonly home: string;
  /** Where the browser comes back to. */
  readonly callback: string;
  /** Asks the provider what it offers, once it has answered not again. @throws when it cannot be reached */
  discovered(): Promise<oidc.Configuration>;
}

/** This very computer, where nobody listens in. */
export const isLoopback = (hostname: string): boolean => ['127.0.0.1', '[::1]', 'localhost'].includes(hostname);

export function createIdentityProvider(settings: ProviderSettings): IdentityProvider {
  const issuer = new URL(settings.issuer);
  const dispatcher = createOutwardAgent({ connectMs: 10_000, answerMs: 10_000, keepAliveMs: 1_000 });
  const outward = ((url: string, options: object) =>
    fetch(url, { ...options, dispatcher })) as unknown as oidc.CustomFetch;
  let known: Promise<oidc.Configuration> | undefined;
  return {
    name: settings.name,
    home: settings.cabinetUrl,
    callback: new URL('v1/sign-on/callback', settings.cabinetUrl).href,
    discovered: () => {
      known ??= oidc.discovery(issuer, settings.clientId, settings.clientSecret, undefined, {
        timeout: 10,
        [oidc.customFetch]: outward,
        // anywhere else a provider without TLS is refused
        ...(isLoopback(issuer.hostname) ? { execute: [oidc.allowInsecureRequests] } : {}),
      });
      known.catch(() => {
        known = undefined;
      });
      return known;
    },
  };
}
