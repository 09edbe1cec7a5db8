/**
 * For every undici agent: HTTP/1.1 alone. With HTTP/2, its default towards a server that offers it, requests that are aborted
 * can have Node write frames without end, which blocks the process and takes gigabytes (nodejs/node#52952, #18673): an operator
 * of 5,000 servers did so each time when it lost its leader lease.
 */
export const http1 = { allowH2: false } as const;
