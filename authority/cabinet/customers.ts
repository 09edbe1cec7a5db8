import type { CabinetDeps } from './cabinet.ts';

/** The vendor's customers: organisations with what they have, in the order of their ids. */
export async function listOrganisations(
  { transact }: Pick<CabinetDeps, 'transact'>,
  of: { readonly name?: string | undefined; readonly after?: string | undefined; readonly limit: number },
) {
  return transact(async (client) => {
    const { rows } = await client.query<{
      id: string;
      name: string | null;
      licences: number;
      people: number;
      suspected: boolean;
    }>(
      `SELECT o.id, coalesce(
           (SELECT l.organisation FROM licence l WHERE l.organisation_id = o.id ORDER BY l.created_at DESC LIMIT 1),
           (SELECT min(n.name) FROM organisation_name n WHERE n.organisation_id = o.id)) AS name,
         (SELECT count(*)::int FROM licence l WHERE l.organisation_id = o.id) AS licences,
         (SELECT count(*)::int FROM person p WHERE p.organisation_id = o.id AND p.disabled_at IS NULL) AS people,
         EXISTS (SELECT FROM licence l JOIN licence_key k ON k.licence_id = l.id
           WHERE l.organisation_id = o.id AND k.clone_suspected_at IS NOT NULL) AS suspected
       FROM organisation o
       WHERE ($1::text IS NULL OR EXISTS (SELECT FROM organisation_name n
           WHERE n.organisation_id = o.id AND strpos(lower(n.name), lower($1)) > 0))
         AND ($2::text IS NULL OR o.id > $2)
       ORDER BY o.id LIMIT $3`,
      [of.name, of.after, of.limit],
    );
    return rows.map(({ id, name, ...counts }) => ({ organisationId: id, organisation: name ?? id, ...counts }));
  });
}

/** The name of an organisation, as it stands on its newest licence. */
export async function organisationName({ transact }: Pick<CabinetDeps, 'transact'>, id: string): Promise<string> {
  return transact(async (client) => {
    const { rows } = await client.query<{ name: string | null }>(
      `SELECT coalesce(
         (SELECT organisation FROM licence WHERE organisation_id = $1 ORDER BY created_at DESC LIMIT 1),
         (SELECT min(name) FROM organisation_name WHERE organisation_id = $1)) AS name`,
      [id],
    );
    return rows[0]?.name ?? id;
  });
}
