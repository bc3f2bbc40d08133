/**
 * What other services say has happened to a server. What is asked of them each time (addresses, ports, volumes) needs no notice; a disk that has
 * grown and a port that is gone are brought to the guest.
 */
import Type from 'typebox';
import type { Route } from '#cloud/api';
import { type ComputeCaller, compute, type Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { diskGrown } from '../grown-disks.ts';
import { findServer, portsOf } from '../rows.ts';
import type { ServerRow } from '../tables.ts';
import { beginChange } from './actions/action.ts';

/** Names, and the version that has them. */
const names: Readonly<Record<string, number>> = {
  'network-changed': 1,
  'network-vif-plugged': 1,
  'network-vif-unplugged': 1,
  'network-vif-deleted': 1,
  'volume-extended': 51,
  'power-update': 76,
  'accelerator-request-bound': 82,
  'volume-reimaged': 93,
};
const eventsMax = 1_000;

const event = fields.object({
  name: Type.String({ maxLength: 64 }),
  server_uuid: fields.uuid,
  status: Type.Optional(Type.Enum(['failed', 'completed', 'in-progress'])),
  tag: Type.Optional(Type.String({ maxLength: 255 })),
});
type Event = Type.Static<typeof event>;

export function externalEventRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  return [
    compute({
      method: 'POST',
      path: '/os-server-external-events',
      policy: 'os_compute_api:os-server-external-events:create',
      body: fields.object({ events: Type.Array(event, { minItems: 1, maxItems: eventsMax }) }),
      handle: async (request) => {
        const { events } = request.body;
        for (const { name } of events)
          if ((names[name] ?? 999) > request.minor)
            throw computeFailure('schema-invalid', {
              detail: `Invalid input for field/attribute name. Value: ${name}.`,
            });
        const done = [];
        for (const one of events) done.push(await take(core, request, one));
        if (done.every(({ code }) => code === 404))
          throw computeFailure('missing', { why: 'No instances found for any event' });
        const status = done.every(({ code }) => code === 200) ? 200 : 207;
        return { status, body: { events: done } };
      },
    }),
  ];
}

async function take(core: ComputeCore, request: Request, { status = 'completed', ...one }: Event) {
  const row = await findServer(core.db, one.server_uuid);
  if (row === undefined) return { ...one, status: 'failed', code: 404 };
  if (row.host === null) return { ...one, status: 'failed', code: 422 };
  await bring(core, request, row, one);
  return { ...one, status, code: 200 };
}

async function bring(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  { name, tag = '' }: Event,
): Promise<void> {
  if (name === 'volume-extended') {
    const size = await core.volumes?.find(tag, row.project_id);
    if (size !== undefined) await diskGrown(core, tag, size.sizeGib);
    return;
  }
  if (name !== 'network-vif-deleted') return;
  const port = (await portsOf(core.db, row.id)).find(({ port_id }) => port_id === tag);
  if (port === undefined) return;
  await beginChange(core, request, row, {
    ...{ action: 'detach_interface', kind: 'server.detach-port', change: 'detach-port' },
    states: ['active', 'stopped', 'paused', 'suspended'],
    input: { portId: tag },
  });
}
