import type { FastifyReply, FastifyRequest } from 'fastify';

/** What the routes of client programs have in common. */
export const client = { role: 'client' };
/** Routes that validate and serialize by hand: the schema only documents them. */
export const raw = (handler: (request: FastifyRequest, reply: FastifyReply) => void) => handler as never;
export const unchecked = { validatorCompiler: () => () => true, attachValidation: false };
export const operation = (operationId: string, summary: string) => ({ operationId, summary, tags: ['seats'] });
