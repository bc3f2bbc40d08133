/** Security groups of a server: they are its ports', and the network service changes them as whoever asks. */
import type { Request } from '../../caller.ts';
import type { ComputeCore } from '../../core.ts';
import { computeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { ask } from '../../service-calls.ts';
import type { ServerRow } from '../../tables.ts';
import { type Action, accepted, checked, refuseState } from './action.ts';

interface Group {
  readonly id: string;
  readonly name: string;
}

interface GroupedPort {
  readonly id: string;
  readonly security_groups: readonly string[];
  readonly port_security_enabled?: boolean;
}

const body = fields.object({ name: fields.name });
const states = ['active', 'stopped', 'paused', 'suspended', 'building', 'error', 'resized'];

const inNetwork = (path: string) =>
  ({ service: 'network', method: 'GET', path: `/v2.0${path}` }) as const;

async function groupNamed(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  named: string,
): Promise<Group> {
  const project = `project_id=${encodeURIComponent(row.project_id)}`;
  const by = async (field: 'id' | 'name') =>
    (await ask(
      core,
      request,
      inNetwork(`/security-groups?${project}&${field}=${encodeURIComponent(named)}`),
    )) as { readonly security_groups: readonly Group[] };
  const isId = new RegExp(fields.uuidPattern).test(named);
  const found = isId ? (await by('id')).security_groups : [];
  const groups = found.length > 0 ? found : (await by('name')).security_groups;
  if (groups.length > 1)
    throw computeFailure('refused-conflict', {
      why: `Multiple security groups found matching '${named}'. Use an ID to be more specific.`,
    });
  const [group] = groups;
  if (group !== undefined) return group;
  throw computeFailure('missing', {
    why: `Security group ${named} not found for project ${row.project_id}.`,
  });
}

async function portsOf(core: ComputeCore, request: Request, row: ServerRow) {
  const { ports } = (await ask(core, request, inNetwork(`/ports?device_id=${row.id}`))) as {
    readonly ports: readonly GroupedPort[];
  };
  const guarded = ports.filter(({ port_security_enabled: guard }) => guard !== false);
  if (guarded.length > 0) return guarded;
  throw computeFailure('missing', {
    why: `Security group: instance ${row.id} could not be found as device id on any ports`,
  });
}

async function setGroups(
  core: ComputeCore,
  request: Request,
  port: GroupedPort,
  security_groups: readonly string[],
): Promise<void> {
  await ask(core, request, {
    ...{ service: 'network', method: 'PUT', path: `/v2.0/ports/${port.id}` },
    body: { port: { security_groups } },
  });
}

export const securityGroupActions: Readonly<Record<string, Action>> = {
  addSecurityGroup: {
    policy: 'os_compute_api:os-security-groups:add',
    check: checked(body),
    run: async (core, request, row, { name }: { name: string }) => {
      refuseState(row, 'add_security_group', states);
      const group = await groupNamed(core, request, row, name);
      for (const port of await portsOf(core, request, row))
        if (!port.security_groups.includes(group.id))
          await setGroups(core, request, port, [...port.security_groups, group.id]);
      return accepted;
    },
  },
  removeSecurityGroup: {
    policy: 'os_compute_api:os-security-groups:remove',
    check: checked(body),
    run: async (core, request, row, { name }: { name: string }) => {
      refuseState(row, 'remove_security_group', states);
      const group = await groupNamed(core, request, row, name);
      const having = (await portsOf(core, request, row)).filter(({ security_groups: all }) =>
        all.includes(group.id),
      );
      if (having.length === 0)
        throw computeFailure('missing', {
          why: `Security group ${name} not associated with the instance ${row.id}`,
        });
      for (const port of having)
        await setGroups(
          core,
          request,
          port,
          port.security_groups.filter((id) => id !== group.id),
        );
      return accepted;
    },
  },
};
