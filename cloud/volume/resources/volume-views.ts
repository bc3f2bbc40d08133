/** Volumes as the API shows them. */
import { callerOf, type Request } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import * as fields from '../fields.ts';
import type { AttachmentRow } from '../tables.ts';
import { atLeast } from '../versions.ts';
import { linksOf, type View } from '../views.ts';
import type { VolumeFacts } from '../volume-facts.ts';

export function volumeSummary(request: Request, { row }: VolumeFacts): View {
  return { id: row.id, name: row.name, links: linksOf(request, 'volumes', row.id) };
}

/** What creating and changing answer: `volumeDetail` adds what administrators and tenants see of a volume that is asked for. */
export function volumeView(request: Request, facts: VolumeFacts): View {
  const { row, type } = facts;
  const used = facts.attachments.filter(
    ({ stage }) => stage === 'attached' || stage === 'detaching',
  );
  const metadata = fields.parseMap(row.metadata_json);
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    status: facts.status,
    size: row.size_gib,
    availability_zone: row.zone,
    created_at: fields.timeOf(row.created_at_us),
    updated_at: fields.timeOf(row.updated_at_us),
    attachments: used.map(attachmentView),
    volume_type: type?.name ?? null,
    snapshot_id: row.snapshot_id,
    source_volid: row.source_volid,
    // What was said of writing stands where clients look for it.
    metadata:
      row.readonly === 0
        ? metadata
        : { ...metadata, readonly: row.readonly === 1 ? 'True' : 'False' },
    links: linksOf(request, 'volumes', row.id),
    user_id: row.user_id,
    bootable: String(row.bootable === 1),
    encrypted: row.encryption_key_id !== null,
    replication_status: null,
    consistencygroup_id: null,
    multiattach: row.multiattach === 1,
    migration_status: null,
    ...(atLeast(request, 'groupVolume') ? { group_id: row.group_id } : {}),
    ...(atLeast(request, 'sharedTargets') ? { shared_targets: false, service_uuid: null } : {}),
    ...(atLeast(request, 'typeId') ? { volume_type_id: row.type_id } : {}),
    ...(atLeast(request, 'encryptionKey') && row.encryption_key_id !== null
      ? { encryption_key_id: row.encryption_key_id }
      : {}),
    ...(atLeast(request, 'consumesQuota') ? { consumes_quota: true } : {}),
  };
}

export function volumeDetail(core: VolumeCore, request: Request, facts: VolumeFacts): View {
  const { row } = facts;
  const imageMetadata = fields.parseMap(row.image_metadata_json);
  return {
    ...volumeView(request, facts),
    'os-vol-tenant-attr:tenant_id': row.project_id,
    ...(Object.keys(imageMetadata).length > 0 ? { volume_image_metadata: imageMetadata } : {}),
    ...administratorView(core, request),
  };
}

function administratorView(core: VolumeCore, request: Request): View {
  if (!callerOf(request).isAdmin) return {};
  return {
    'os-vol-host-attr:host': poolOf(core),
    'os-vol-mig-status-attr:migstat': null,
    'os-vol-mig-status-attr:name_id': null,
    ...(atLeast(request, 'providerId') ? { provider_id: null } : {}),
    ...(request.version.minor >= 61 ? { cluster_name: null } : {}),
  };
}

/** `host@back end#pool`, as Cinder names where a volume is. */
export function poolOf(core: VolumeCore): string {
  return `${core.host}@pileus#pileus`;
}

function attachmentView(row: AttachmentRow): View {
  return {
    id: row.volume_id,
    attachment_id: row.id,
    volume_id: row.volume_id,
    server_id: row.server_id,
    host_name: row.host,
    device: row.mountpoint,
    attached_at: fields.timeOf(row.attached_at_us),
  };
}
