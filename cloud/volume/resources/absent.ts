/** What the reference has and this service has not: answered as such, never as a 404 that could mean anything. */
import type { Method, Route } from '../../api/index.ts';
import { parameter, type Request, scoped, type VolumeCaller } from '../caller.ts';
import type { VolumeCore } from '../core.ts';
import { volumeFailure } from '../failures.ts';
import { targetOf, visibleRow } from '../rows.ts';

/** Path → methods, and what it is. */
export const absent: readonly (readonly [
  what: string,
  path: string,
  methods: readonly Method[],
])[] = [
  ['Consistency groups (use volume groups)', '/consistencygroups', ['GET', 'POST']],
  ['Consistency groups (use volume groups)', '/consistencygroups/detail', ['GET']],
  ['Consistency groups (use volume groups)', '/consistencygroups/create_from_src', ['POST']],
  ['Consistency groups (use volume groups)', '/consistencygroups/:group_id', ['GET', 'DELETE']],
  ['Consistency group snapshots (use group snapshots)', '/cgsnapshots', ['GET', 'POST']],
  ['Consistency group snapshots (use group snapshots)', '/cgsnapshots/detail', ['GET']],
  ['Consistency group snapshots (use group snapshots)', '/cgsnapshots/:id', ['GET', 'DELETE']],
  ['Disabling a host (disable its services)', '/os-hosts/:host', ['PUT']],
  [
    'Cleaning up after workers (operations are resumed by themselves)',
    '/workers/cleanup',
    ['POST'],
  ],
];

export function absentRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const refused = absent.flatMap(([what, path, methods]) =>
    methods.flatMap((method) =>
      scoped({
        method,
        path,
        policy: 'any-token',
        handle: () => {
          throw volumeFailure('not-implemented', { what });
        },
      }),
    ),
  );
  return [...refused, ...clusterRoutes(), ...encryptionRoutes(core)];
}

/** Every controller does the same work: there are no clusters of volume services to tell apart. */
function clusterRoutes(): Route<VolumeCaller>[] {
  const versions = { from: '3.7' };
  const list = () => ({ body: { clusters: [] } });
  const missing = (request: Request) => {
    throw volumeFailure('not-found', { what: 'Cluster', id: parameter(request, 'cluster') });
  };
  return [
    ...scoped({
      method: 'GET',
      path: '/clusters',
      policy: 'clusters:get_all',
      versions,
      handle: list,
    }),
    ...scoped({
      method: 'GET',
      path: '/clusters/detail',
      policy: 'clusters:get_all',
      versions,
      handle: list,
    }),
    ...scoped({
      method: 'GET',
      path: '/clusters/:cluster',
      policy: 'clusters:get',
      versions,
      handle: missing,
    }),
    ...scoped({
      method: 'PUT',
      path: '/clusters/:cluster',
      policy: 'clusters:update',
      versions,
      handle: missing,
    }),
  ];
}

/** How a volume is encrypted, for whoever attaches it. */
function encryptionRoutes(core: VolumeCore): Route<VolumeCaller>[] {
  const target = targetOf(core.db, 'volume', 'volume_id');
  const encryption = async (request: Request): Promise<Record<string, unknown>> => {
    const volume = await visibleRow(core.db, request, 'volume', parameter(request, 'volume_id'));
    // The gateway encrypts: what a client attaches is plain.
    return { encryption_key_id: volume.encryption_key_id, control_location: 'back-end' };
  };
  const policy = 'volume_extension:volume_encryption_metadata';
  const path = '/volumes/:volume_id/encryption';
  return [
    ...scoped({
      method: 'GET',
      path,
      policy,
      target,
      handle: async (request) => ({ body: await encryption(request) }),
    }),
    ...scoped({
      method: 'GET',
      path: `${path}/:key`,
      policy,
      target,
      handle: async (request) => {
        const key = parameter(request, 'key');
        const found = await encryption(request);
        return { body: { [key]: found[key] ?? null } };
      },
    }),
  ];
}
