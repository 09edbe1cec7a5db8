import { Pool } from 'undici';

export interface Answer {
  /** 0: no answer (the connection was refused or lost), so whether the request took effect is unknown. */
  readonly status: number;
  // the shape depends on the route; every reader looks at what it asks for
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A client of one server over kept connections. What has no answer within 15 s counts as lost. */
export class Client {
  readonly #pool: Pool;

  constructor(address: string, connections: number) {
    this.#pool = new Pool(address, { connections, headersTimeout: 15_000, bodyTimeout: 15_000, connectTimeout: 5_000 });
  }

  async call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown): Promise<Answer> {
    try {
      const answer = await this.#pool.request({
        method,
        path,
        ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
      });
      const text = await answer.body.text();
      const parsed = text.startsWith('{') ? JSON.parse(text) : {};
      return { status: answer.statusCode, body: parsed, headers: answer.headers };
    } catch {
      return { status: 0, body: {}, headers: {} };
    }
  }

  /** Resolves when what was asked has been answered; nothing more may be asked. */
  drained(): Promise<void> {
    return this.#pool.close();
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}
