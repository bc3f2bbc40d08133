/** Which versions there are, and what else a client may ask before it begins. */
import type { ApiReply, ApiRequest, Route } from '../../api/index.ts';
import { scoped, unscoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { versionMax, versionMin } from '../versions.ts';

export function discoveryRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const version = (request: ApiRequest<VolumeCaller, unknown>) => ({
    id: 'v3.0',
    status: 'CURRENT',
    version: versionMax,
    min_version: versionMin,
    updated: '2022-08-31T00:00:00Z',
    links: [
      {
        rel: 'describedby',
        type: 'text/html',
        href: 'https://docs.openstack.org/',
      },
      { rel: 'self', href: `${request.baseUrl}/v3/` },
    ],
    'media-types': [
      { base: 'application/json', type: 'application/vnd.openstack.volume+json;version=3' },
    ],
  });
  const reply =
    (status: number) =>
    (request: ApiRequest<VolumeCaller, unknown>): ApiReply => ({
      status,
      body: { versions: [version(request)] },
    });
  return [
    unscoped({ method: 'GET', path: '/', policy: 'public', handle: reply(300) }),
    unscoped({ method: 'GET', path: '/v3', policy: 'public', handle: reply(200) }),
    ...scoped({
      method: 'GET',
      path: '/extensions',
      policy: 'any-token',
      handle: () => ({ body: { extensions: extensions.map(extensionView) } }),
    }),
    ...scoped({
      method: 'GET',
      path: '/os-availability-zone',
      policy: 'volume_extension:availability_zone_list',
      handle: () => ({
        body: {
          availabilityZoneInfo: [{ zoneName: core.settings.zone, zoneState: { available: true } }],
        },
      }),
    }),
    ...scoped({
      method: 'GET',
      path: '/resource_filters',
      policy: 'any-token',
      handle: (request) => {
        const asked = request.query.get('resource');
        const named = Object.entries(resourceFilters).filter(
          ([resource]) => asked === null || resource === asked,
        );
        return {
          body: {
            resource_filters: named.map(([resource, filters]) => ({ resource, filters })),
          },
        };
      },
    }),
  ];
}

/** What was an extension once and is a part of the API now; old clients still look for the names. */
const extensions: readonly (readonly [alias: string, name: string])[] = [
  ['backups', 'Backups'],
  ['encryption', 'VolumeTypeEncryption'],
  ['os-availability-zone', 'AvailabilityZones'],
  ['os-extended-snapshot-attributes', 'ExtendedSnapshotAttributes'],
  ['os-hosts', 'Hosts'],
  ['os-quota-class-sets', 'QuotaClasses'],
  ['os-quota-sets', 'Quotas'],
  ['os-services', 'Services'],
  ['os-types-extra-specs', 'TypesExtraSpecs'],
  ['os-types-manage', 'TypesManage'],
  ['os-used-limits', 'UsedLimits'],
  ['os-vol-host-attr', 'VolumeHostAttribute'],
  ['os-vol-image-meta', 'VolumeImageMetadata'],
  ['os-vol-tenant-attr', 'VolumeTenantAttribute'],
  ['os-volume-actions', 'VolumeActions'],
  ['os-volume-encryption-metadata', 'VolumeEncryptionMetadata'],
  ['os-volume-transfer', 'VolumeTransfer'],
  ['os-volume-type-access', 'VolumeTypeAccess'],
  ['qos-specs', 'Qos_specs_manage'],
  ['scheduler-stats', 'Scheduler_stats'],
];

const extensionView = ([alias, name]: readonly [string, string]) => ({
  alias,
  name,
  description: name,
  updated: '2022-08-31T00:00:00+00:00',
  links: [],
});

/** By which parameters each listing can be narrowed. */
export const resourceFilters: Readonly<Record<string, readonly string[]>> = {
  volume: [
    'name',
    'status',
    'metadata',
    'bootable',
    'availability_zone',
    'group_id',
    'size',
    'created_at',
    'updated_at',
  ],
  backup: ['name', 'status', 'volume_id', 'metadata'],
  snapshot: ['name', 'status', 'volume_id', 'metadata', 'availability_zone'],
  group: ['name', 'status', 'group_type'],
  group_snapshot: ['name', 'status', 'group_id'],
  attachment: ['volume_id', 'status', 'instance_id', 'attach_status'],
  message: ['event_id', 'resource_uuid', 'resource_type', 'request_id', 'message_level'],
  pool: ['name', 'volume_type'],
  volume_type: ['is_public', 'extra_specs'],
};
