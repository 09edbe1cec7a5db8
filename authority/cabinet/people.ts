import { randomBytes } from 'node:crypto';
import { momentOf } from '../../licence/moment.ts';
import type { Client } from '../database.ts';

/** Somebody who can sign in. */
export interface Person {
  readonly id: string;
  readonly email: string;
  readonly name: string;
  /** Id; undefined: one of the vendor's people. */
  readonly organisation: string | undefined;
  readonly hasPassword: boolean;
  /** Whether a code is asked for at the sign-in. */
  readonly hasSecondFactor: boolean;
}

export interface PersonRow {
  id: string;
  email: string;
  name: string;
  organisation_id: string | null;
  password_hash: string | null;
  totp_secret: Buffer | null;
  totp_offered: Buffer | null;
  totp_step: string;
  created_at: Date;
  disabled_at: Date | null;
}
export const personColumns = `p.id, p.email, p.name, p.organisation_id, p.password_hash, p.totp_secret, p.totp_offered, p.totp_step,
  p.created_at, p.disabled_at`;

export const personOf = (row: PersonRow): Person => ({
  id: row.id,
  email: row.email,
  name: row.name,
  organisation: row.organisation_id ?? undefined,
  hasPassword: row.password_hash !== null,
  hasSecondFactor: row.totp_secret !== null,
});

/** An address as it is compared. */
export const emailOf = (text: string): string => text.trim().normalize('NFC').toLowerCase();

/** @returns the row, held until the transaction ends if `lock` */
export async function findPerson(
  client: Client,
  by: { readonly email: string } | { readonly id: string },
  lock = false,
): Promise<PersonRow | undefined> {
  const [column, value] = 'email' in by ? ['email', by.email] : ['id', by.id];
  const { rows } = await client.query<PersonRow>(
    `SELECT ${personColumns} FROM person p WHERE p.${column} = $1${lock ? ' FOR UPDATE' : ''}`,
    [value],
  );
  return rows[0];
}

export async function addPerson(
  client: Client,
  person: {
    readonly email: string;
    readonly name: string;
    readonly organisation: string | null;
    readonly passwordHash: string | null;
  },
  nowMs: number,
): Promise<PersonRow> {
  const id = `per-${randomBytes(8).toString('hex')}`;
  await client.query(
    'INSERT INTO person (id, email, name, organisation_id, password_hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)',
    [id, person.email, person.name, person.organisation, person.passwordHash, new Date(nowMs)],
  );
  const made = await findPerson(client, { id });
  if (made === undefined) throw new Error('a person that was added is not there');
  return made;
}

/** As the vendor sees people, those of an organisation or all, by e-mail. */
export async function listPeople(client: Client, organisation: string | undefined) {
  const { rows } = await client.query<PersonRow & { seen_at: Date | null; organisation: string | null }>(
    `SELECT ${personColumns}, (SELECT max(seen_at) FROM session s WHERE s.person_id = p.id) AS seen_at,
       (SELECT min(name) FROM organisation_name n WHERE n.organisation_id = p.organisation_id) AS organisation
     FROM person p WHERE $1::text IS NULL OR p.organisation_id = $1 ORDER BY p.email LIMIT 1000`,
    [organisation],
  );
  return rows.map((row) => ({
    personId: row.id,
    email: row.email,
    name: row.name,
    role: row.organisation_id === null ? 'vendor' : 'customer',
    ...(row.organisation_id === null ? {} : { organisationId: row.organisation_id }),
    ...(row.organisation === null ? {} : { organisation: row.organisation }),
    secondFactor: row.totp_secret !== null,
    createdAt: momentOf(row.created_at.getTime()),
    ...(row.seen_at === null ? {} : { seenAt: momentOf(row.seen_at.getTime()) }),
    ...(row.disabled_at === null ? {} : { disabledAt: momentOf(row.disabled_at.getTime()) }),
  }));
}
