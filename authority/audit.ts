import { momentOf } from '../licence/moment.ts';
import type { Client } from './database.ts';

/** Who did it. */
export interface Who {
  /** Role, with the organisation if the token has one. */
  readonly actor: string;
  /** From where. */
  readonly address?: string | undefined;
  /** Which token: the first characters of its SHA-256. */
  readonly token?: string | undefined;
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
}

export async function writeAudit(client: Client, nowMs: number, e: AuditEntry): Promise<void> {
  await client.query(
    `INSERT INTO audit (at, actor, action, outcome, licence_id, key_id, fingerprint, detail, address, token)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
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
}

/** The latest entries first; `before` is the id of the last one of the page before. */
export async function readAudit(client: Client, of: { licenceId?: string; before?: number; limit: number }) {
  const { rows } = await client.query<AuditRow>(
    `SELECT * FROM audit WHERE ($1::text IS NULL OR licence_id = $1) AND ($2::bigint IS NULL OR id < $2)
     ORDER BY id DESC LIMIT $3`,
    [of.licenceId, of.before, of.limit],
  );
  return rows.map((r) => ({
    id: Number(r.id),
    at: momentOf(r.at.getTime()),
    actor: r.actor,
    action: r.action,
    outcome: r.outcome,
    ...(r.licence_id === null ? {} : { licenceId: r.licence_id }),
    ...(r.key_id === null ? {} : { keyId: r.key_id }),
    ...(r.fingerprint === null ? {} : { fingerprint: r.fingerprint }),
    ...(r.detail === null ? {} : { detail: r.detail }),
    ...(r.address === null ? {} : { address: r.address }),
    ...(r.token === null ? {} : { token: r.token }),
  }));
}
