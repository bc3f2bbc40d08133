/** Another size, another host. */
import Type from 'typebox';
import { flagOf, type Request } from '../../caller.ts';
import type { ComputeCore, Tx } from '../../core.ts';
import { refused } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { type FlavorFacts, flavorFacts, parseFlavor, quotaAmounts } from '../../flavor-facts.ts';
import { recordMove } from '../../moves.ts';
import { begin } from '../../operations.ts';
import { hold } from '../../quotas.ts';
import { disksOf, findServer, serverMissing } from '../../rows.ts';
import { claim, isUp, place } from '../../scheduler.ts';
import type { ServerRow } from '../../tables.ts';
import { findFlavor } from '../flavors.ts';
import { type Action, accepted, beginChange, checked, refuseState } from './action.ts';

const resizable = ['active', 'stopped'];

interface Moving {
  readonly action: 'resize' | 'migrate';
  readonly flavor: FlavorFacts;
  /** A resize may stay where it is, a migration may not. */
  readonly avoidHosts: readonly string[];
  readonly forcedHost?: string;
}

async function beginMove(core: ComputeCore, request: Request, row: ServerRow, moving: Moving) {
  const root = (await disksOf(core.db, row.id)).find(({ kind }) => kind === 'root');
  await core.changeOf(row.project_id, async (transaction) => {
    const now = await findServer(transaction, row.id);
    if (now === undefined) throw serverMissing(row.id);
    if (now.operation_id === null) refuseState(now, moving.action, resizable);
    const host = await placeAgain(core, transaction, now, moving);
    const who = { scope: now.project_id, holder: now.id };
    await hold(core, transaction, who, quotaAmounts(moving.flavor));
    const id = await begin(core, transaction, request, {
      server: now,
      kind: moving.action === 'resize' ? 'server.resize' : 'server.migrate',
      action: moving.action,
      workflow: 'server.change',
      input: {
        serverId: now.id,
        change: 'resize',
        input: {
          flavor: moving.flavor,
          host,
          before: {
            flavor: parseFlavor(now.flavor_json),
            host: now.host,
            power: now.power,
            snapshot: core.newId(),
            sizeGib: root?.size_gib ?? 0,
          },
        },
      },
    });
    const kind = moving.action === 'resize' ? 'resize' : 'migration';
    await recordMove(core, transaction, {
      ...{ id, kind },
      ...sidesOf(now, host, moving.flavor),
    });
  });
}

const sidesOf = (server: ServerRow, host: string, flavor: FlavorFacts) => ({
  server_id: server.id,
  source_host: server.host ?? '',
  target_host: host,
  old_flavor: parseFlavor(server.flavor_json).id,
  new_flavor: flavor.id,
  project_id: server.project_id,
  user_id: server.user_id,
});

async function placeAgain(
  core: ComputeCore,
  transaction: Tx,
  row: ServerRow,
  moving: Pick<Moving, 'flavor' | 'avoidHosts' | 'forcedHost'>,
): Promise<string> {
  const group = await transaction
    .selectFrom('compute_group')
    .selectAll()
    .where('id', '=', row.group_id ?? '')
    .executeTakeFirst();
  const placed = await place(core, transaction, {
    serverId: row.id,
    projectId: row.project_id,
    userId: row.user_id,
    flavor: moving.flavor,
    zone: null,
    group,
    hints: JSON.parse(row.hints_json) as Record<string, unknown>,
    avoidHosts: moving.avoidHosts,
    ...(moving.forcedHost === undefined ? {} : { forcedHost: moving.forcedHost }),
  });
  if ('why' in placed) throw refused(placed.why);
  return placed.host;
}

const onResized = (
  action: 'confirm-resize' | 'revert-resize',
  name: string,
  status: number,
): Action => ({
  policy: `os_compute_api:servers:${action === 'confirm-resize' ? 'confirm_resize' : 'revert_resize'}`,
  run: async (core, request, row) => {
    await beginChange(core, request, row, {
      action: name,
      kind: `server.${action}`,
      change: action,
      states: ['resized'],
    });
    return { status };
  },
});

interface Resize {
  readonly flavorRef: string | number;
  readonly 'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL';
}

export const moveActions: Readonly<Record<string, Action>> = {
  resize: {
    policy: 'os_compute_api:servers:resize',
    check: checked(
      fields.object({
        flavorRef: Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Integer()]),
        'OS-DCF:diskConfig': Type.Optional(Type.Enum(['AUTO', 'MANUAL'])),
      }),
    ),
    run: async (core, request, row, argument: Resize) => {
      const flavor = flavorFacts(await findFlavor(core, request, String(argument.flavorRef)));
      const disk_config = argument['OS-DCF:diskConfig'];
      const old = parseFlavor(row.flavor_json);
      if (flavor.id === old.id) throw refused('When resizing, instances must change flavor!');
      if (flavor.diskGib < old.diskGib && flavor.diskGib !== 0)
        throw refused("Resize to a smaller disk is not possible: Flavor's disk is too small.");
      await beginMove(core, request, row, { action: 'resize', flavor, avoidHosts: [] });
      if (disk_config !== undefined)
        await core.db
          .updateTable('compute_server')
          .set({ disk_config })
          .where('id', '=', row.id)
          .execute();
      return accepted;
    },
  },
  confirmResize: onResized('confirm-resize', 'confirmResize', 204),
  revertResize: onResized('revert-resize', 'revertResize', 202),
  migrate: {
    policy: 'os_compute_api:os-migrate-server:migrate',
    check: checked(
      fields.nullable(
        Type.Object({ host: fields.optional(fields.text) }, { additionalProperties: false }),
      ),
    ),
    run: async (core, request, row, argument: { host?: string | null }) => {
      await beginMove(core, request, row, {
        action: 'migrate',
        flavor: parseFlavor(row.flavor_json),
        avoidHosts: row.host === null ? [] : [row.host],
        ...(argument.host ? { forcedHost: argument.host } : {}),
      });
      return accepted;
    },
  },
  'os-migrateLive': {
    policy: 'os_compute_api:os-migrate-server:migrate_live',
    check: checked(
      Type.Object(
        {
          host: fields.optional(fields.text),
          block_migration: Type.Optional(Type.Union([fields.flag, Type.Literal('auto')])),
          disk_over_commit: Type.Optional(fields.flag),
          force: Type.Optional(fields.flag),
        },
        { additionalProperties: false },
      ),
    ),
    run: async (core, request, row, argument: LiveArgument) => {
      // Disks are reached from everywhere: there is nothing to be copied with the guest.
      const block = argument.block_migration;
      if (block !== undefined && block !== 'auto' && flagOf(block, 'block_migration'))
        throw refused(
          `${row.host} is on shared storage: block migration can not be used with shared storage.`,
        );
      await beginLive(core, request, row, argument.host ?? undefined);
      return accepted;
    },
  },
  evacuate: {
    policy: 'os_compute_api:os-evacuate',
    check: checked(
      Type.Object({
        host: Type.Optional(fields.text),
        onSharedStorage: Type.Optional(fields.flag),
        adminPass: Type.Optional(Type.String({ maxLength: 255 })),
        force: Type.Optional(fields.flag),
      }),
    ),
    run: async (core, request, row, argument: { host?: string }) => {
      await refuseAlive(core, row);
      await core.changeOf(row.project_id, async (transaction) => {
        const now = await findServer(transaction, row.id);
        if (now === undefined) throw serverMissing(row.id);
        refuseState(now, 'evacuate', ['active', 'stopped', 'error']);
        const host = await placeAgain(core, transaction, now, {
          flavor: parseFlavor(now.flavor_json),
          avoidHosts: now.host === null ? [] : [now.host],
          ...(argument.host === undefined ? {} : { forcedHost: argument.host }),
        });
        const id = await begin(core, transaction, request, {
          server: now,
          kind: 'server.evacuate',
          action: 'evacuate',
          workflow: 'server.change',
          input: { serverId: now.id, change: 'evacuate', input: { host } },
          // Whatever was at work on the lost host is at an end.
          takesOver: true,
        });
        await recordMove(core, transaction, {
          ...{ id, kind: 'evacuation' },
          ...sidesOf(now, host, parseFlavor(now.flavor_json)),
        });
      });
      return { status: 200, body: {} };
    },
  },
};

interface LiveArgument {
  readonly host?: string | null;
  readonly block_migration?: unknown;
}

async function beginLive(
  core: ComputeCore,
  request: Request,
  row: ServerRow,
  forcedHost: string | undefined,
): Promise<void> {
  await core.changeOf(row.project_id, async (transaction) => {
    const now = await findServer(transaction, row.id);
    if (now === undefined) throw serverMissing(row.id);
    if (now.operation_id === null) refuseState(now, 'os-migrateLive', ['active', 'paused']);
    if (forcedHost !== undefined && forcedHost === now.host)
      throw refused(`Unable to migrate instance (${now.id}) to current host (${now.host}).`);
    const flavor = parseFlavor(now.flavor_json);
    const host = await placeAgain(core, transaction, now, {
      flavor,
      avoidHosts: now.host === null ? [] : [now.host],
      ...(forcedHost === undefined ? {} : { forcedHost }),
    });
    const id = await begin(core, transaction, request, {
      server: now,
      kind: 'server.live-migrate',
      action: 'live-migration',
      workflow: 'server.change',
      input: { serverId: now.id, change: 'live-migrate', input: { host, from: now.host } },
    });
    await recordMove(core, transaction, {
      ...{ id, kind: 'live-migration' },
      ...sidesOf(now, host, flavor),
    });
    await claimSource(transaction, now, { id, flavor });
  });
}

/** What it takes where it is stays taken, in the name of the move, until it has gone. */
async function claimSource(
  transaction: Tx,
  server: ServerRow,
  move: { readonly id: string; readonly flavor: FlavorFacts },
): Promise<void> {
  const source = await transaction
    .selectFrom('compute_host')
    .select('id')
    .where('name', '=', server.host ?? '')
    .executeTakeFirst();
  if (source === undefined) return;
  const { project_id: projectId, user_id: userId } = server;
  await claim(transaction, source.id, {
    ...{ serverId: move.id, projectId, userId },
    flavor: move.flavor,
  });
}

async function refuseAlive(core: ComputeCore, row: ServerRow): Promise<void> {
  const host = await core.db
    .selectFrom('compute_host')
    .selectAll()
    .where('name', '=', row.host ?? '')
    .executeTakeFirst();
  if (host !== undefined && isUp(core, host))
    throw refused(`Compute service of ${row.host} is still in use.`);
}
