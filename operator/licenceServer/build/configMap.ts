import { digestOf } from '../api/digest.ts';
import { labels } from '../api/metadata.ts';
import { namesOf } from '../api/names.ts';
import type { Owner } from '../api/owner.ts';
import { settingsNameOf } from '../pod/settings.ts';
import { type Child, ownedMeta } from './object.ts';

/** The settings as an immutable ConfigMap named by its content: a change of them is a change of the pod template. */
export const configMap = (owner: Owner, settings: Readonly<Record<string, string>>): Child => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: ownedMeta(owner, settingsNameOf(owner, settings), { labels: { [labels.copy]: 'config' } }),
  immutable: true,
  data: settings,
});

/** The trusted keys as an immutable ConfigMap named by its content, copied from where the spec says. */
export const trustConfigMap = (owner: Owner, jwks: string): Child => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: ownedMeta(owner, namesOf(owner.name).trust(digestOf(jwks)), { labels: { [labels.copy]: 'trust' } }),
  immutable: true,
  data: { 'jwks.json': jwks },
});
