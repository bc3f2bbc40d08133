/** Cross-origin requests of browsers (Fetch standard §3.2): only from origins that an operator names. */
import type { FastifyInstance } from 'fastify';

const methods = 'GET, HEAD, POST, PUT, PATCH, DELETE';
const headers =
  'Accept, Content-Type, Content-Range, Range, X-Auth-Token, X-Subject-Token, X-Openstack-Request-Id, OpenStack-API-Version';
const exposed =
  'X-Subject-Token, X-Openstack-Request-Id, OpenStack-API-Version, Location, ETag, Content-Range';

/** `*` allows every origin, without credentials of the browser's own. */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  app.addHook('onRequest', (request, reply, done) => {
    const { origin } = request.headers;
    reply.header('Vary', 'Origin');
    const allowed = origin !== undefined && (origins.includes('*') || origins.includes(origin));
    if (!allowed) return done();
    reply.header('Access-Control-Allow-Origin', origin);
    reply.header('Access-Control-Expose-Headers', exposed);
    if (request.method !== 'OPTIONS') return done();
    reply.header('Access-Control-Allow-Methods', methods);
    reply.header('Access-Control-Allow-Headers', headers);
    reply.header('Access-Control-Max-Age', '600');
    void reply.code(204).send();
  });
}
