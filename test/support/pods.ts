/** Parts of a pod that passes the `restricted` Pod Security Standard, with what the server's image has in it: Node and PostgreSQL. */
export const image = { image: 'localhost/licence-server:dev', imagePullPolicy: 'IfNotPresent' };
export const restricted = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
};
export const podSpec = {
  terminationGracePeriodSeconds: 0,
  automountServiceAccountToken: false,
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 10001,
    runAsGroup: 10001,
    fsGroup: 10001,
    seccompProfile: { type: 'RuntimeDefault' },
  },
};
