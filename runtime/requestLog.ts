import type { FastifyBaseLogger } from 'fastify';
import type { Http } from './http.ts';

type Bindings = Parameters<FastifyBaseLogger['child']>[0];
type Options = Parameters<FastifyBaseLogger['child']>[1];

/**
 * The log of one request, with its id in every line. The child logger behind it is made with the first line: nearly all requests
 * write none, and making one costs more than the rest of their bookkeeping.
 */
class RequestLog {
  readonly #parent: FastifyBaseLogger;
  readonly #bindings: Bindings;
  readonly #options: Options;
  #made: FastifyBaseLogger | undefined;

  constructor(parent: FastifyBaseLogger, bindings: Bindings, options: Options) {
    this.#parent = parent;
    this.#bindings = bindings;
    this.#options = options;
  }
  get #own(): FastifyBaseLogger {
    this.#made ??= this.#parent.child(this.#bindings, this.#options);
    return this.#made;
  }

  get level(): string {
    return this.#own.level;
  }
  set level(level: string) {
    this.#own.level = level;
  }
  child(bindings: Bindings, options?: Options): FastifyBaseLogger {
    return this.#own.child(bindings, options);
  }
  fatal(...line: unknown[]): void {
    Reflect.apply(this.#own.fatal, this.#own, line);
  }
  error(...line: unknown[]): void {
    Reflect.apply(this.#own.error, this.#own, line);
  }
  warn(...line: unknown[]): void {
    Reflect.apply(this.#own.warn, this.#own, line);
  }
  info(...line: unknown[]): void {
    Reflect.apply(this.#own.info, this.#own, line);
  }
  debug(...line: unknown[]): void {
    Reflect.apply(this.#own.debug, this.#own, line);
  }
  trace(...line: unknown[]): void {
    Reflect.apply(this.#own.trace, this.#own, line);
  }
  silent(): void {}
}

/**
 * Requests of this instance get a child logger only when they write a line. Set on the logger that fastify keeps for itself: a
 * factory (`setChildLoggerFactory`) would have fastify check each of its loggers anew, at every request.
 */
export function logRequestsLazily(http: Http): void {
  const { log } = http;
  const parent = Object.create(log, { child: { value: log.child } }) as FastifyBaseLogger;
  log.child = (bindings, options) => new RequestLog(parent, bindings, options) as unknown as FastifyBaseLogger;
}
