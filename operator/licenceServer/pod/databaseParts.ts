/**
 * An external database that a Secret has in parts, under the names that CloudNativePG gives them: variable of PostgreSQL's
 * clients → key in the Secret. A port that is absent is the usual one.
 */
export const databaseParts = {
  PGHOST: 'host',
  PGPORT: 'port',
  PGUSER: 'user',
  PGPASSWORD: 'password',
  PGDATABASE: 'dbname',
} as const;

/** What a URI says nothing of, PostgreSQL's clients take from their variables. */
export const uriOfParts = 'postgres://';

/** Begins a digest that is of parts. */
export const partsMark = 'parts-';

/** Whether the digest is that of parts. The pod template keeps it, so that the form is known even when the Secret is gone. */
export const isOfParts = (digest: string | undefined): boolean => digest?.startsWith(partsMark) ?? false;
