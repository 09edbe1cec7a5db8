import { ApiError } from '../../operator/kube/apiError.ts';
import { KubeconfigFault } from '../../operator/kube/kubeconfigFault.ts';
import { CommandFault, exitStatus } from './exitStatus.ts';

/** "User "anna" cannot create resource "pods/portforward" in API group "" in the namespace "accounting"". */
const missingRight = /cannot (\S+) resource "([^"]+)" in API group "([^"]*)"(?: in the namespace "([^"]+)")?/;

/** Whatever ended a command, as a sentence with what to do. Pure. */
export function faultOf(error: unknown): CommandFault {
  if (error instanceof CommandFault) return error;
  if (error instanceof ApiError) return ofApiServer(error);
  const kubeconfig = [error, (error as Error | undefined)?.cause].find((e) => e instanceof KubeconfigFault);
  if (kubeconfig !== undefined) return ofKubeconfig(kubeconfig);
  const message = messageOf(error);
  if (/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|EHOSTUNREACH|no answer in|UND_ERR/.test(message)) {
    return new CommandFault(
      `the cluster does not answer: ${message}`,
      'check the context (kubectl config current-context), or name one with --context',
    );
  }
  const { code = '' } = error as NodeJS.ErrnoException;
  if (/CERT|SELF_SIGNED|UNABLE_TO_|ERR_SSL|ERR_TLS/.test(code)) {
    return new CommandFault(
      `the cluster is not the one that the kubeconfig knows: ${message.split(';')[0]}`,
      'check the context (kubectl config current-context), and certificate-authority-data of its cluster',
    );
  }
  const { syscall, path, port } = error as NodeJS.ErrnoException & { readonly port?: number };
  if (syscall === 'open' && path !== undefined)
    return new CommandFault(`${path} cannot be opened (${code})`, 'name a file that can be');
  if (syscall === 'listen')
    return new CommandFault(`port ${port} of this computer cannot be had (${code})`, 'name another one, or none');
  return new CommandFault(message);
}

function ofKubeconfig({ reason, message }: KubeconfigFault): CommandFault {
  switch (reason) {
    case 'NoCluster':
      return new CommandFault('no cluster is configured', 'set KUBECONFIG, or name a file with --kubeconfig');
    case 'NoContext':
      return new CommandFault(message, 'name one of these with --context');
    case 'NoUser':
      return new CommandFault(message, 'name another one with --context');
    case 'NoCredentials':
      return new CommandFault(
        `you cannot be signed in to the cluster: ${message}`,
        'sign in anew, or put right what the kubeconfig says of its user; or choose another context with --context',
        exitStatus.forbidden,
      );
  }
}

function ofApiServer(error: ApiError): CommandFault {
  if (error.status === 401) {
    return new CommandFault(
      'the cluster does not know who you are: your credentials are missing or have ended',
      'sign in again, or choose another context with --context',
      exitStatus.forbidden,
    );
  }
  if (error.status === 403) {
    const [, verb, resource, group, namespace] = missingRight.exec(error.message) ?? [];
    if (verb === undefined) return new CommandFault(wordsOf(error), undefined, exitStatus.forbidden);
    const where = namespace === undefined ? 'in all namespaces' : `in namespace ${namespace}`;
    const todo = `ask for a Role with apiGroups ["${group}"], resources ["${resource}"], verbs ["${verb}"]`;
    const elsewhere = namespace === undefined ? '; or name one namespace with -n' : '';
    return new CommandFault(`you may not ${verb} ${resource} ${where}`, `${todo}${elsewhere}`, exitStatus.forbidden);
  }
  if (error.status === 404 && /licenceservers/.test(error.message)) {
    return new CommandFault(
      'this cluster does not know LicenceServers',
      'check the context, or install the operator (helm install licence-operator …)',
    );
  }
  return new CommandFault(wordsOf(error));
}

/** The API server's own words, without the request. */
const wordsOf = (error: ApiError): string => error.message.replace(/^[A-Z]+ \S+: \d+ \w*:? ?/, 'the cluster refuses: ');

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  const inner = cause instanceof AggregateError ? cause.errors[0] : cause;
  if (error instanceof AggregateError && error.message === '') return messageOf(error.errors[0]);
  return inner instanceof Error && inner.message !== '' ? inner.message : error.message;
}
