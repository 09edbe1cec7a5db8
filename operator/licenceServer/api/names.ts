/** The names of everything that belongs to a LicenceServer. Pure. */
export const namesOf = (name: string) => ({
  serviceAccount: name,
  deployment: name,
  service: name,
  networkPolicy: name,
  ingress: name,
  httpRoute: name,
  podDisruptionBudget: name,
  podRights: `${name}-pods`,
  serviceMonitor: name,
  prometheusRule: name,
  dashboard: `${name}-dashboard`,
  identity: `${name}-identity`,
  tokens: `${name}-tokens`,
  claim: `${name}-data`,
  restore: `${name}-restore`,
  restored: `${name}-restored`,
  regenerated: (keyId: string) => `${name}-regenerated-${keyId}`,
  keys: (digest: string) => `${name}-keys-${digest}`,
  config: (digest: string) => `${name}-config-${digest}`,
  trust: (digest: string) => `${name}-trust-${digest}`,
});

/** Keys in the Secrets that the operator makes. */
export const secretKeys = { identity: 'identity.pem', tokens: ['client', 'admin', 'metrics'] } as const;

/** Where things stand in the pod. */
export const podPaths = {
  data: '/var/Softonit/Licence Server',
  keys: '/etc/licence/keys',
  identity: '/etc/licence/identity',
  tokens: '/etc/licence/tokens',
  trust: '/etc/licence/trust',
  ca: '/etc/licence/ca',
  proxy: '/etc/licence/proxy',
  databaseCa: '/etc/licence/database-ca',
  tls: '/etc/licence/tls',
  groups: '/etc/licence/groups',
  backups: '/backups',
  backupAccount: '/etc/licence/backup-account',
  backupCa: '/etc/licence/backup-ca',
  ageIdentity: '/etc/licence/age',
  sockets: '/run/postgresql',
  temporary: '/tmp',
} as const;

export const containerName = 'server';
export const portName = 'http';
export const containerPort = 8080;
