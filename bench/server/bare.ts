import fastify from 'fastify';

/** The ceiling: fastify with one constant answer, no validation, no access check, no database. */
const http = fastify({ logger: false });
const body =
  '{"leaseId":"01234567-89ab-7001-8000-000000000001","expiresAt":"2026-01-01T00:00:00.000Z","heartbeatAfterSeconds":37,"seats":{"limit":1000,"inUse":500},"support":{"state":"valid"}}';
http.removeAllContentTypeParsers();
http.addContentTypeParser('*', { parseAs: 'string' }, (_request, text, done) => done(null, text));
http.all('*', (_request, reply) => reply.header('content-type', 'application/json; charset=utf-8').send(body));
process.stdout.write(`${await http.listen({ host: '127.0.0.1', port: 0 })}\n`);
