/** Attaching step by step, as compute services did before the attachments API and some clients still do. */
import Type from 'typebox';
import { connect, connectionInfo, disconnect, reserve, setStage } from '../../attachments.ts';
import type { VolumeCore } from '../../core.ts';
import { volumeFailure } from '../../failures.ts';
import * as fields from '../../fields.ts';
import type { AttachmentRow, VolumeRow } from '../../tables.ts';
import { factsOf } from '../../volume-facts.ts';
import { connector, connectorOf } from '../attachments.ts';
import { type Action, accepted, action } from './action.ts';

const nothing = Type.Object({});
const actions = 'volume_extension:volume_actions';

export function attachActions(core: VolumeCore): readonly Action[] {
  const own = (volume: VolumeRow) =>
    core.db
      .selectFrom('volume_attachment')
      .selectAll()
      .where('volume_id', '=', volume.id)
      .orderBy('created_at_us')
      .execute();
  const take = (volume: VolumeRow) =>
    core.change((transaction) =>
      reserve(core, transaction, volume, { serverId: null, mode: 'rw', stage: 'attaching' }),
    );
  const move = async (volume: VolumeRow, from: readonly string[], to: string) => {
    const rows = (await own(volume)).filter((row) => from.includes(row.stage));
    if (rows.length === 0) {
      const { status } = await factsOf(core.db, volume);
      throw volumeFailure('invalid-volume', {
        why: `Volume ${volume.id} is ${status}: not in a state for this action.`,
      });
    }
    for (const row of rows) await setStage(core, row, to);
    return accepted;
  };
  return [
    action({
      name: 'os-reserve',
      policy: `${actions}:reserve`,
      body: nothing,
      run: async (_request, volume) => {
        await take(volume);
        return accepted;
      },
    }),
    action({
      name: 'os-unreserve',
      policy: `${actions}:unreserve`,
      body: nothing,
      run: async (_request, volume) => {
        for (const row of await own(volume))
          if (row.stage === 'reserved' || row.stage === 'attaching') await disconnect(core, row);
        return accepted;
      },
    }),
    action({
      name: 'os-initialize_connection',
      policy: `${actions}:initialize_connection`,
      body: Type.Object({ connector }),
      run: async (_request, volume, { connector: wanted }) => {
        const row = (await own(volume)).at(-1) ?? (await take(volume));
        const connected = await connect(core, row, connectorOf(wanted));
        return { body: { connection_info: await connectionInfo(core, connected) } };
      },
    }),
    action({
      name: 'os-terminate_connection',
      policy: `${actions}:terminate_connection`,
      body: Type.Object({ connector: fields.nullable(connector) }),
      run: async (_request, volume, { connector: wanted }) => {
        const rows = (await own(volume)).filter(
          (row) => wanted?.host === undefined || row.host === wanted.host,
        );
        for (const row of rows) await disconnect(core, row);
        return accepted;
      },
    }),
    action({
      name: 'os-attach',
      policy: `${actions}:attach`,
      body: Type.Object({
        instance_uuid: fields.optional(fields.uuid),
        host_name: fields.optional(fields.text),
        mountpoint: Type.String({ minLength: 1, maxLength: 255 }),
        mode: Type.Optional(Type.Union([Type.Literal('rw'), Type.Literal('ro')])),
      }),
      run: async (_request, volume, wanted) => {
        if (wanted.mode === 'rw' && volume.readonly === 1)
          throw volumeFailure('invalid-volume', {
            why: `Invalid attaching mode 'rw' for volume ${volume.id}.`,
          });
        const waiting = (row: AttachmentRow) =>
          row.stage === 'reserved' || row.stage === 'attaching';
        const row = (await own(volume)).find(waiting) ?? (await take(volume));
        await setStage(core, row, 'attached', {
          server_id: wanted.instance_uuid ?? null,
          host: wanted.host_name ?? row.host,
          mountpoint: wanted.mountpoint,
          mode: wanted.mode ?? row.mode,
          attached_at_us: core.clock.nowUs(),
        });
        return accepted;
      },
    }),
    action({
      name: 'os-begin_detaching',
      policy: `${actions}:begin_detaching`,
      body: nothing,
      run: (_request, volume) => move(volume, ['attached'], 'detaching'),
    }),
    action({
      name: 'os-roll_detaching',
      policy: `${actions}:roll_detaching`,
      body: nothing,
      run: (_request, volume) => move(volume, ['detaching'], 'attached'),
    }),
    action({
      name: 'os-detach',
      policy: `${actions}:detach`,
      body: Type.Object({ attachment_id: fields.optional(fields.uuid) }),
      run: async (_request, volume, { attachment_id: id }) => {
        await detach(core, volume, await own(volume), id ?? undefined, false);
        return accepted;
      },
    }),
    action({
      name: 'os-force_detach',
      policy: 'volume_extension:volume_admin_actions:force_detach',
      body: Type.Object({
        attachment_id: fields.optional(fields.uuid),
        connector: fields.optional(connector),
      }),
      run: async (_request, volume, { attachment_id: id }) => {
        await detach(core, volume, await own(volume), id ?? undefined, true);
        return accepted;
      },
    }),
  ];
}

async function detach(
  core: VolumeCore,
  volume: VolumeRow,
  rows: readonly AttachmentRow[],
  id: string | undefined,
  force: boolean,
): Promise<void> {
  const leaving = id === undefined ? rows : rows.filter((row) => row.id === id);
  if (leaving.length === 0)
    throw volumeFailure('invalid-volume', {
      why: `Volume ${volume.id} is not attached${id === undefined ? '' : ` by ${id}`}.`,
    });
  if (id === undefined && leaving.length > 1 && !force)
    throw volumeFailure('invalid-volume', {
      why: 'Detach volume failed: More than one attachment, but no attachment_id provided.',
    });
  for (const row of leaving) await disconnect(core, row, { force });
}
