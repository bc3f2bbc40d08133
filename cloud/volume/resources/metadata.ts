/** Metadata of volumes and snapshots: the whole, or key by key. */
import { createHash } from 'node:crypto';
import Type from 'typebox';
import type { ApiReply, Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import * as fields from '../fields.ts';
import { targetOf, visibleRow } from '../rows.ts';
import { factsOf } from '../volume-facts.ts';

interface Kind {
  readonly table: 'volume' | 'volume_snapshot';
  readonly path: string;
  readonly parameter: string;
  readonly policies: {
    readonly get: string;
    readonly create: string;
    readonly update: string;
    readonly delete: string;
  };
}

const kinds: readonly Kind[] = [
  {
    table: 'volume',
    path: '/volumes/:volume_id/metadata',
    parameter: 'volume_id',
    policies: {
      get: 'volume:get_volume_metadata',
      create: 'volume:create_volume_metadata',
      update: 'volume:update_volume_metadata',
      delete: 'volume:delete_volume_metadata',
    },
  },
  {
    table: 'volume_snapshot',
    path: '/snapshots/:snapshot_id/metadata',
    parameter: 'snapshot_id',
    policies: {
      get: 'volume:get_snapshot_metadata',
      create: 'volume:update_snapshot_metadata',
      update: 'volume:update_snapshot_metadata',
      delete: 'volume:delete_snapshot_metadata',
    },
  },
];

const metadataBody = Type.Object({ metadata: fields.metadata }, { additionalProperties: false });
const metaBody = Type.Object({ meta: fields.metadata }, { additionalProperties: false });

export function metadataRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  return kinds.flatMap((kind) => routesOf(core, kind));
}

function routesOf(core: VolumeCore, kind: Kind): Route<VolumeCaller>[] {
  const { table, path, policies } = kind;
  const target = targetOf(core.db, table, kind.parameter);
  const present = async (request: Request) => {
    const row = await visibleRow(core.db, request, table, parameter(request, kind.parameter));
    return fields.parseMap(row.metadata_json);
  };
  const change = (
    request: Request,
    make: (before: Record<string, string>) => Record<string, string>,
  ) => changeMetadata(core, request, kind, make);
  return [
    ...scoped({
      method: 'GET',
      path,
      policy: policies.get,
      target,
      handle: async (request) => {
        const metadata = await present(request);
        const etag = createHash('md5').update(JSON.stringify(metadata)).digest('hex');
        const headers: Record<string, string> = request.version.minor >= 15 ? { Etag: etag } : {};
        return { headers, body: { metadata } } satisfies ApiReply;
      },
    }),
    ...scoped({
      method: 'POST',
      path,
      policy: policies.create,
      target,
      body: metadataBody,
      handle: async (request) => ({
        body: {
          metadata: await change(request, (before) => ({ ...before, ...request.body.metadata })),
        },
      }),
    }),
    ...scoped({
      method: 'PUT',
      path,
      policy: policies.update,
      target,
      body: metadataBody,
      handle: async (request) => ({
        body: { metadata: await change(request, () => request.body.metadata) },
      }),
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:key`,
      policy: policies.get,
      target,
      handle: async (request) => {
        const key = parameter(request, 'key');
        const metadata = await present(request);
        if (!Object.hasOwn(metadata, key)) throw missingKey(request, kind, key);
        return { body: { meta: { [key]: metadata[key] } } };
      },
    }),
    ...scoped({
      method: 'PUT',
      path: `${path}/:key`,
      policy: policies.update,
      target,
      body: metaBody,
      handle: async (request) => {
        const key = parameter(request, 'key');
        const { meta } = request.body;
        if (Object.keys(meta).length > 1)
          throw volumeFailure('refused', { why: 'Request body contains too many items.' });
        if (!Object.hasOwn(meta, key))
          throw volumeFailure('refused', { why: 'Request body and URI mismatch.' });
        await change(request, (before) => ({ ...before, ...meta }));
        return { body: { meta } };
      },
    }),
    ...scoped({
      method: 'DELETE',
      path: `${path}/:key`,
      policy: policies.delete,
      target,
      handle: async (request) => {
        const key = parameter(request, 'key');
        await change(request, (before) => {
          if (!Object.hasOwn(before, key)) throw missingKey(request, kind, key);
          return Object.fromEntries(Object.entries(before).filter(([name]) => name !== key));
        });
        return {};
      },
    }),
  ];
}

const missingKey = (request: Request, kind: Kind, key: string) =>
  volumeFailure('no-such-key', {
    what: `${kind.table === 'volume' ? 'Volume' : 'Snapshot'} ${parameter(request, kind.parameter)}`,
    items: 'metadata',
    key,
  });

async function changeMetadata(
  core: VolumeCore,
  request: Request,
  { table, parameter: name }: Kind,
  make: (before: Record<string, string>) => Record<string, string>,
): Promise<Record<string, string>> {
  return await core.change(async (transaction) => {
    const row = await visibleRow(transaction, request, table, parameter(request, name));
    if ('bootable' in row) {
      const { status } = await factsOf(transaction, row);
      if (status === 'deleting')
        throw volumeFailure('refused', { why: 'Invalid volume: volume is being deleted.' });
    }
    const after = make(fields.parseMap(row.metadata_json));
    if (Object.keys(after).length > 128)
      throw volumeFailure('refused', { why: 'Maximum number of metadata items exceeds 128' });
    await transaction
      .updateTable(table)
      .set({ metadata_json: JSON.stringify(after), updated_at_us: core.clock.nowUs() })
      .where('id', '=', row.id)
      .execute();
    return after;
  });
}
