import { labels } from './metadata.ts';

/** The LicenceServer that children are built for. */
export interface Owner {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
}

/** What selects the pods; it never changes, since a Deployment's selector cannot. */
export const selectorOf = (owner: Owner): Readonly<Record<string, string>> => ({
  [labels.name]: 'licence-server',
  [labels.instance]: owner.name,
});
