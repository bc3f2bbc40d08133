/** Routes of events and of the audit trail. */
import { type Caller, type Route, routesFor } from '#cloud/api';
import type { AuditTrail, Events } from '#cloud/journal';
import { limitIn, scopeOf, timeIn, timeOf } from './views.ts';

const route = routesFor<Caller>();

const pageUsual = 100;
const pageMax = 1_000;

type Listed<T extends { list(filter: never): Promise<readonly unknown[]> }> = Awaited<
  ReturnType<T['list']>
>[number];

export function eventView(event: Listed<Events>) {
  return {
    id: event.id,
    cursor: event.cursor,
    type: event.type,
    at: timeOf(event.atUs),
    resource_type: event.resource?.type ?? null,
    resource_id: event.resource?.id ?? null,
    project_id: event.projectId ?? null,
    user_id: event.userId ?? null,
    request_id: event.requestId ?? null,
    payload: event.payload,
  };
}

export function auditView(record: Listed<AuditTrail>) {
  return {
    id: record.id,
    at: timeOf(record.atUs),
    service: record.service,
    action: record.action,
    method: record.method,
    path: record.path,
    status: record.status,
    user_id: record.userId ?? null,
    project_id: record.projectId ?? null,
    address: record.from,
    request_id: record.requestId,
    global_request_id: record.globalRequestId ?? null,
  };
}

export function journalRoutes(events: Events, audit: AuditTrail): Route<Caller>[] {
  return [
    route({
      method: 'GET',
      path: '/v1/events',
      policy: 'event:list',
      handle: async ({ query, ...request }) => {
        const found = await events.list({
          projectId: scopeOf({ query, ...request }, 'event:list_all'),
          after: query.get('marker') ?? undefined,
          type: query.get('type') ?? undefined,
          resourceId: query.get('resource_id') ?? undefined,
          limit: limitIn(query, pageUsual, pageMax),
        });
        // Where to go on, also when there was nothing new.
        const cursor = found.at(-1)?.cursor ?? query.get('marker') ?? (await events.end());
        return { body: { events: found.map(eventView), cursor } };
      },
    }),
    route({
      method: 'GET',
      path: '/v1/audit',
      policy: 'audit:list',
      handle: async ({ query }) => {
        const text = (name: string) => query.get(name) ?? undefined;
        const failed = query.get('failed');
        const records = await audit.list({
          userId: text('user_id'),
          projectId: text('project_id'),
          service: text('service'),
          action: text('action'),
          address: text('address'),
          requestId: text('request_id'),
          failed: failed === null ? undefined : /^(1|true|yes)$/i.test(failed),
          sinceUs: timeIn(query, 'since'),
          untilUs: timeIn(query, 'until'),
          marker: text('marker'),
          limit: limitIn(query, pageUsual, pageMax),
        });
        return { body: { audit: records.map(auditView) } };
      },
    }),
  ];
}
