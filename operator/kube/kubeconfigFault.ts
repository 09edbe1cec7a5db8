/**
 * What is wrong with a kubeconfig: there is none, or one without a cluster; it has no such context; its context is for a user whom it does
 * not have; its user cannot be signed in.
 */
export type KubeconfigReason = 'NoCluster' | 'NoContext' | 'NoUser' | 'NoCredentials';

/** No client can be made, or no request be sent, by what the kubeconfig says. */
export class KubeconfigFault extends Error {
  readonly reason: KubeconfigReason;

  constructor(reason: KubeconfigReason, message: string) {
    super(message);
    this.name = 'KubeconfigFault';
    this.reason = reason;
  }
}
