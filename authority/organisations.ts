import { randomBytes } from 'node:crypto';
import type { Client } from './database.ts';
import type { Refusal } from './refusal.ts';

/**
 * Who buys. An organisation is an id; what is written on a licence is a name of it, which may be put right. Every name it
 * ever had leads to it, so tokens that name it go on working.
 */

/** The id of an organisation by its id or by a name that it has or had; undefined: there is none. */
export async function organisationOf(client: Client, idOrName: string): Promise<string | undefined> {
  const { rows } = await client.query<{ id: string }>(
    `SELECT id FROM organisation WHERE id = $1
     UNION ALL SELECT organisation_id FROM organisation_name WHERE name = $1 LIMIT 1`,
    [idOrName],
  );
  return rows[0]?.id;
}

type Named = { readonly ok: true; readonly id: string } | ({ readonly ok: false } & Refusal);

/**
 * The organisation that a licence of this name is for, made if the name is new.
 * @param id of a known one: the name becomes one of its names
 */
export async function organisationFor(
  client: Client,
  name: string,
  id: string | undefined,
  nowMs: number,
): Promise<Named> {
  if (id === undefined) {
    const known = await ownerOf(client, name);
    if (known !== undefined) return { ok: true, id: known };
    const made = `org-${randomBytes(8).toString('hex')}`;
    await client.query('INSERT INTO organisation (id, created_at) VALUES ($1, $2)', [made, new Date(nowMs)]);
    const owner = await nameIt(client, name, made);
    // somebody else made it meanwhile
    if (owner !== made) await client.query('DELETE FROM organisation WHERE id = $1', [made]);
    return { ok: true, id: owner };
  }
  const { rows } = await client.query('SELECT FROM organisation WHERE id = $1', [id]);
  if (rows.length === 0) {
    return { ok: false, reason: 'OrganisationUnknown', detail: `there is no organisation ${id}; see GET /v1/licences` };
  }
  const owner = await nameIt(client, name, id);
  return owner === id ? { ok: true, id } : taken(name, owner);
}

const taken = (name: string, owner: string): Named => ({
  ok: false,
  reason: 'OrganisationTaken',
  detail: `"${name}" is the name of another organisation, ${owner}; give that id (organisationId) if it is the one that is meant`,
});

async function ownerOf(client: Client, name: string): Promise<string | undefined> {
  const { rows } = await client.query<{ organisation_id: string }>(
    'SELECT organisation_id FROM organisation_name WHERE name = $1',
    [name],
  );
  return rows[0]?.organisation_id;
}

/** Gives a free name to an organisation; answers whose it is then. */
async function nameIt(client: Client, name: string, id: string): Promise<string> {
  await client.query(
    'INSERT INTO organisation_name (name, organisation_id) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING',
    [name, id],
  );
  const owner = await ownerOf(client, name);
  if (owner === undefined) throw new Error(`the name of organisation ${id} was not kept`);
  return owner;
}
