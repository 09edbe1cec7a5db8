import { momentOf } from '../licence/moment.ts';
import type { Client } from './database.ts';
import { organisationOf } from './organisations.ts';

/** Who did it. */
export interface Who {
  /** Role, with the organisation if the token has one. */
  readonly actor: string;
  /** From where. */
  readonly address?: string | undefined;
  /** Which token: the first characters of its SHA-256. */
  readonly token?: string | undefined;
  /** Which person: the e-mail of who is signed in to the cabinet. */
  readonly person?: string | undefined;
}

export interface AuditEntry {
  readonly by: Who;
  readonly action: string;
  /** `ok` or the reason of the refusal. */
  readonly outcome: string;
  readonly licenceId?: string | undefined;
  readonly keyId?: string | undefined;
  readonly fingerprint?: string | undefined;
  readonly detail?: string | undefined;
  /** Whose history it belongs to where no licence says that. */
  readonly organisationId?: string | undefined;
}

export async function writeAudit(client: Client, nowMs: number, e: AuditEntry): Promise<void> {
  await client.query(
    `INSERT INTO audit (at, actor, action, outcome, licence_id, key_id, fingerprint, detail, address, token, person,
       organisation_id)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [
      new Date(nowMs),
      e.by.actor,
      e.action,
      e.outcome,
      e.licenceId,
      e.keyId,
      e.fingerprint,
      e.detail,
      e.by.address,
      e.by.token,
      e.by.person,
      e.organisationId,
    ],
  );
}

interface AuditRow {
  id: string;
  at: Date;
  actor: string;
  action: string;
  outcome: string;
  licence_id: string | null;
  key_id: string | null;
  fingerprint: string | null;
  detail: string | null;
  address: string | null;
  token: string | null;
  person: string | null;
}

/**
 * The latest entries first.
 * @param of.before the id of the last entry of the page before
 * @param of.organisation only what belongs to it: id or name. Of the vendor's own deeds a customer sees what and when, not who
 *   and from where.
 */
export async function readAudit(
  client: Client,
  of: { licenceId?: string; organisation?: string; before?: number; limit: number },
) {
  const owner =
    of.organisation === undefined ? undefined : ((await organisationOf(client, of.organisation)) ?? 'nobody');
  const { rows } = await client.query<AuditRow>(
    `SELECT a.* FROM audit a WHERE ($1::text IS NULL OR a.licence_id = $1) AND ($2::bigint IS NULL OR a.id < $2)
       AND ($4::text IS NULL OR a.organisation_id = $4
         OR EXISTS (SELECT FROM licence l WHERE l.id = a.licence_id AND l.organisation_id = $4))
     ORDER BY a.id DESC LIMIT $3`,
    [of.licenceId, of.before, of.limit, owner],
  );
  return rows.map((r) => {
    const isHidden = owner !== undefined && r.actor === 'vendor';
    return {
      id: Number(r.id),
      at: momentOf(r.at.getTime()),
      actor: r.actor,
      action: r.action,
      outcome: r.outcome,
      ...(r.licence_id === null ? {} : { licenceId: r.licence_id }),
      ...(r.key_id === null ? {} : { keyId: r.key_id }),
      ...(r.fingerprint === null ? {} : { fingerprint: r.fingerprint }),
      ...(r.detail === null ? {} : { detail: r.detail }),
      ...(r.address === null || isHidden ? {} : { address: r.address }),
      ...(r.token === null || isHidden ? {} : { token: r.token }),
      ...(r.person === null || isHidden ? {} : { person: r.person }),
    };
  });
}
