/** What answers, at a terminal, what a route of the server answers to a program. */
const commands: Readonly<Record<string, string>> = {
  '/v1/activation/request': 'request',
  '/v1/activation/response': 'respond',
  '/v1/assignments': 'assignments',
  '/v1/bases': 'seats',
  '/v1/denials': 'denials',
  '/v1/keys': 'keys',
  '/v1/leases': 'seats',
  '/v1/products': 'top',
  '/v1/status': 'status',
};

/**
 * A sentence of the server, which also speaks to programs, as it is said to a person at a terminal: where it names a route, the command
 * that does the same. Pure.
 */
export const inCommands = (text: string): string =>
  text
    .replace(/(kubectl licence [a-z-]+), or (?:GET|POST|PUT|DELETE) \/v1\/[^\s)]+/g, '$1')
    .replace(/(?:\bat )?\b(?:GET|POST|PUT|DELETE) (\/v1\/[a-z]+(?:\/[a-z]+)*)(?![a-z/{:])/g, (whole, route: string) =>
      route in commands ? `${whole.startsWith('at ') ? 'with ' : ''}"kubectl licence ${commands[route]}"` : whole,
    );
