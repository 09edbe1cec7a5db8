import { messageOf } from './fault.ts';

/** Where one PostgreSQL listens: a name or an address, or the directory of a socket. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** Why a place is of no use now; undefined: it can be written to. */
type Ask = (place: Place) => Promise<string | undefined>;

/**
 * Several places of one database, of which one at a time can be written to: libpq's list of hosts with
 * `target_session_attrs=read-write` (PostgreSQL's manual, "Specifying Multiple Hosts"). For every new session they are asked one
 * after the other, beginning with the one that was found last: so a primary that was replaced, and comes back as if nothing had
 * been, takes nobody away from its successor.
 */
export class Places {
  readonly all: readonly Place[];
  /** So long one that does not answer holds up the next, in ms. */
  readonly askMs: number;
  #last: Place | undefined;
  #looking: Promise<Place> | undefined;

  constructor(all: readonly Place[], askMs = 2_000) {
    this.all = all;
    this.askMs = askMs;
  }

  /** Those who look at the same time look together. @throws Error saying of each place why not; a refused login as it came */
  find(ask: Ask): Promise<Place> {
    this.#looking ??= this.#look(ask).finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #look(ask: Ask): Promise<Place> {
    const last = this.#last;
    const faults: string[] = [];
    for (const place of last === undefined ? this.all : [last, ...this.all.filter((p) => p !== last)]) {
      try {
        const fault = await ask(place);
        if (fault === undefined) {
          this.#last = place;
          return place;
        }
        faults.push(`${nameOf(place)}: ${fault}`);
      } catch (error) {
        if (isLoginRefused(error)) throw error;
        faults.push(`${nameOf(place)}: ${messageOf(error)}`);
      }
    }
    throw new Error(`none of the hosts can be written to: ${faults.join('; ')}`);
  }
}

const nameOf = ({ host, port }: Place): string => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`);

/** Class 28 of SQLSTATE: it would be refused by the others, too, and libpq does not ask them. */
const isLoginRefused = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && /^28/.test(String(error.code));

/**
 * The places of a list of hosts and one of ports, as libpq writes them: one port for all, or one each. In words what is wrong with
 * the lists, as the rest of a sentence.
 */
export function placesOf(hosts: string, ports: string): readonly Place[] | { readonly fault: string } {
  const names = hosts.split(',');
  const numbers = ports.split(',');
  if (names.includes('')) return { fault: 'has an empty host in its list' };
  if (numbers.length > 1 && numbers.length !== names.length)
    return { fault: `has ${numbers.length} ports for ${names.length} hosts; it must be one for all, or one each` };
  if (names.length > 1 && new Set(names.map((name) => name.startsWith('/'))).size > 1)
    return { fault: 'has sockets and hosts in one list' };
  return names.map((host, i) => ({ host, port: Number(numbers[numbers.length === 1 ? 0 : i] || 5432) }));
}
