/** The control service's HTTP API. */
import { apiService, type Caller, type MountableService, Policy, routesFor } from '#cloud/api';
import type { AuditTrail, Events } from '#cloud/journal';
import type { Operations } from '#cloud/operations';
import { controlFailures } from './failures.ts';
import { journalRoutes } from './journal.ts';
import { operationRoutes } from './operations.ts';
import { controlRules } from './policies.ts';

export interface ControlParts {
  readonly operations: Operations;
  readonly events: Events;
  readonly audit: AuditTrail;
  authenticate(token: string): Promise<Caller | undefined>;
}

const route = routesFor<Caller>();

const discovery = route({
  method: 'GET',
  path: '/',
  policy: 'public',
  handle: (request) => {
    const links = [{ rel: 'self', href: `${request.baseUrl}/v1/` }];
    return { body: { versions: [{ id: 'v1.0', status: 'CURRENT', links }] } };
  },
});

export function controlService(parts: ControlParts): MountableService {
  return apiService<Caller>({
    name: 'control',
    dialect: {
      failures: controlFailures,
      body: ({ status, message, title }) => ({ error: { code: status, message, title } }),
    },
    policy: new Policy(controlRules),
    routes: [
      discovery,
      ...operationRoutes(parts.operations),
      ...journalRoutes(parts.events, parts.audit),
    ],
    headers: { Vary: 'X-Auth-Token' },
    authenticate: (token) => parts.authenticate(token),
  });
}
