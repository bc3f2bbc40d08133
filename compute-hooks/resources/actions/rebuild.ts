/** Rebuild and rescue. */
import Type from 'typebox';
import { callerOf } from '../../caller.ts';
import type { ComputeCore } from '../../core.ts';
import { computeFailure, refused } from '../../failures.ts';
import * as fields from '../../fields.ts';
import { parseFlavor } from '../../flavor-facts.ts';
import { keepPassword, newPassword } from '../../passwords.ts';
import { disksOf, findServer } from '../../rows.ts';
import type { ServerRow } from '../../tables.ts';
import { findImage, hostnameOf } from '../create-server.ts';
import { findKeypair } from '../keypairs.ts';
import { refuseUnfit } from '../server-disks.ts';
import { changedReply } from '../servers.ts';
import { type Action, accepted, beginChange, checked } from './action.ts';

const rebuildBody = fields.object({
  imageRef: Type.String({ minLength: 1, maxLength: 255 }),
  name: Type.Optional(fields.name),
  adminPass: Type.Optional(Type.String({ maxLength: 255 })),
  metadata: Type.Optional(fields.metadata),
  preserve_ephemeral: Type.Optional(fields.flag),
  'OS-DCF:diskConfig': Type.Optional(Type.Enum(['AUTO', 'MANUAL'])),
  accessIPv4: Type.Optional(Type.String({ maxLength: 64 })),
  accessIPv6: Type.Optional(Type.String({ maxLength: 64 })),
  personality: Type.Optional(Type.Array(Type.Object({}), { maxItems: 0 })),
  description: fields.optional(fields.text),
  key_name: fields.optional(fields.text),
  user_data: fields.optional(Type.String({ maxLength: 65_535 })),
  hostname: Type.Optional(Type.String({ minLength: 1, maxLength: 63 })),
  trusted_image_certificates: Type.Optional(Type.Null()),
});
type Rebuild = Type.Static<typeof rebuildBody>;

async function rootOf(core: ComputeCore, row: ServerRow) {
  const root = (await disksOf(core.db, row.id)).find(({ kind }) => kind === 'root');
  if (root === undefined)
    throw computeFailure('not-implemented', {
      what: 'Rebuilding a server that boots from a volume',
    });
  return root;
}

const addressOf = (text: string | undefined, version: 4 | 6) =>
  text === undefined ? undefined : fields.address(text, version);

async function changedBy(core: ComputeCore, wanted: Rebuild, row: ServerRow, userId: string) {
  const key = wanted.key_name ? await findKeypair(core.db, userId, wanted.key_name) : undefined;
  if (wanted.key_name && key === undefined) throw refused('Invalid key_name provided.');
  const optional = <K extends keyof ServerRow>(column: K, value: ServerRow[K] | undefined) =>
    value === undefined ? {} : { [column]: value };
  return {
    ...optional('name', wanted.name?.trim()),
    ...optional('metadata_json', wanted.metadata && JSON.stringify(wanted.metadata)),
    ...optional('description', wanted.description),
    ...optional('access_ip_v4', addressOf(wanted.accessIPv4, 4)),
    ...optional('access_ip_v6', addressOf(wanted.accessIPv6, 6)),
    ...optional('disk_config', wanted['OS-DCF:diskConfig']),
    ...optional('user_data', wanted.user_data),
    ...optional('hostname', wanted.hostname ?? (wanted.name && hostnameOf(wanted.name, row.id))),
    ...(wanted.key_name === undefined
      ? {}
      : { key_name: key?.name ?? null, key_data: key?.public_key ?? null }),
  };
}

/** The password that the guest's next start tells it. */
function told(core: ComputeCore, row: ServerRow, asked: { readonly adminPass?: string }): string {
  const password = asked.adminPass ?? newPassword(core);
  keepPassword(core, row.id, password);
  return password;
}

export const rebuildActions: Readonly<Record<string, Action>> = {
  rebuild: {
    policy: 'os_compute_api:servers:rebuild',
    check: checked(rebuildBody),
    run: async (core, request, row, wanted: Rebuild) => {
      if (wanted.preserve_ephemeral)
        throw refused('The current driver does not support preserving ephemeral partitions.');
      const image = await findImage(core, request, wanted.imageRef);
      refuseUnfit(parseFlavor(row.flavor_json), image);
      const root = await rootOf(core, row);
      const changed = await changedBy(core, wanted, row, callerOf(request).userId);
      await beginChange(core, request, row, {
        action: 'rebuild',
        kind: 'server.rebuild',
        change: 'rebuild',
        states: ['active', 'stopped', 'error'],
        input: {
          newVolumeId: core.newId(),
          oldVolumeId: root.volume_id,
          sourceId: image.volumeId,
          row: {
            ...changed,
            image_id: image.id,
            image_json: JSON.stringify(image.properties),
          },
        },
      });
      const now = (await findServer(core.db, row.id)) ?? row;
      const server = {
        ...(await changedReply(core, request, now)),
        adminPass: told(core, row, wanted),
        ...(request.minor >= 54 ? { key_name: now.key_name } : {}),
        ...(request.minor >= 57 ? { user_data: now.user_data } : {}),
      };
      return { status: 202, body: { server } };
    },
  },
  rescue: {
    policy: 'os_compute_api:os-rescue',
    check: checked(
      fields.nullable(
        fields.object({
          adminPass: Type.Optional(Type.String({ maxLength: 255 })),
          rescue_image_ref: Type.Optional(fields.uuid),
        }),
      ),
    ),
    run: async (
      core,
      request,
      row,
      argument: { rescue_image_ref?: string; adminPass?: string },
    ) => {
      const ref = argument.rescue_image_ref ?? row.image_id;
      if (ref === null) throw refused(`Instance ${row.id} cannot be rescued: it has no image.`);
      const image = await findImage(core, request, ref);
      await beginChange(core, request, row, {
        action: 'rescue',
        kind: 'server.rescue',
        change: 'rescue',
        states: ['active', 'stopped', 'error'],
        input: {
          diskId: core.newId(),
          volumeId: core.newId(),
          sourceId: image.volumeId,
          sizeGib: Math.max(1, Math.ceil(image.virtualBytes / 2 ** 30)),
        },
      });
      return { status: 200, body: { adminPass: told(core, row, argument) } };
    },
  },
  unrescue: {
    policy: 'os_compute_api:os-unrescue',
    run: async (core, request, row) => {
      await beginChange(core, request, row, {
        action: 'unrescue',
        kind: 'server.unrescue',
        change: 'unrescue',
        states: ['rescued'],
      });
      return accepted;
    },
  },
};
