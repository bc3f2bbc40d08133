/** Which versions there are, and what else a client may ask before it begins. */
import { type ApiReply, type ApiRequest, type Route, versionDocument } from '#cloud/api';
import { type ComputeCaller, unscoped } from '../caller.ts';
import { versionMax, versionMin } from '../versions.ts';

export function discoveryRoutes(): Route<ComputeCaller>[] {
  const version = (request: ApiRequest<ComputeCaller, unknown>) => ({
    ...versionDocument(request, {
      id: 'v2.1',
      status: 'CURRENT',
      path: '/v2.1/',
      updated: '2013-07-23T11:33:21Z',
      microversions: { service: 'compute', min: versionMin, max: versionMax },
      mediaTypes: [
        { base: 'application/json', type: 'application/vnd.openstack.compute+json;version=2.1' },
      ],
    }),
  });
  const reply =
    (render: (one: object) => object) =>
    (request: ApiRequest<ComputeCaller, unknown>): ApiReply => ({ body: render(version(request)) });
  return [
    unscoped({
      method: 'GET',
      path: '/',
      policy: 'public',
      handle: reply((one) => ({ versions: [one] })),
    }),
    unscoped({
      method: 'GET',
      path: '/v2.1',
      policy: 'public',
      handle: reply((one) => ({ version: one })),
    }),
  ];
}
