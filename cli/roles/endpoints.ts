/** Where everything is: ports of their own for the object store, and one address under which the whole cloud answers. */
import type { CatalogEntry } from '#cloud/identity';
import type { Endpoints } from '../cloud-types.ts';
import { portOf, type Service } from '../ports.ts';
import type { Place } from '../start-check.ts';

export function endpointsAt(place: Place, secure: boolean): Endpoints {
  // A wildcard address is for listening; clients on this machine reach it by loopback.
  const host = place.host === '0.0.0.0' || place.host === '::' ? '127.0.0.1' : place.host;
  const name = host.includes(':') ? `[${host}]` : host;
  const at = (scheme: string, service: Service, path = '') =>
    `${scheme}://${name}:${portOf(place.portBase, service)}${path}`;
  const scheme = secure ? 'https' : 'http';
  return {
    s3: at(scheme, 's3'),
    swift_auth_v1: at(scheme, 'swift', '/auth/v1.0'),
    swift: at(scheme, 'swift', '/v1'),
    identity: at(scheme, 'identity', '/v3'),
    image: at(scheme, 'identity', '/image'),
    volume: at(scheme, 'identity', '/volume/v3'),
    network: at(scheme, 'identity', '/network'),
    compute: at(scheme, 'identity', '/compute/v2.1'),
    key_manager: at(scheme, 'identity', '/key-manager'),
    placement: at(scheme, 'identity', '/placement'),
    api: at(scheme, 'identity'),
    nbd: at('nbd', 'nbd'),
    metrics: at('http', 'admin', '/metrics'),
    health: at('http', 'admin', '/health'),
  };
}

/** What clients find by logging in: everything at the one address. */
export function catalogAt({ api }: Endpoints): readonly CatalogEntry[] {
  return [
    { type: 'identity', name: 'keystone', description: 'Identity', url: `${api}/identity/v3` },
    {
      type: 'object-store',
      name: 'swift',
      description: 'Object storage',
      url: `${api}/object-store/v1/AUTH_%(project_id)s`,
    },
    { type: 'image', name: 'glance', description: 'Images', url: `${api}/image` },
    {
      type: 'volumev3',
      name: 'cinderv3',
      description: 'Volumes',
      url: `${api}/volume/v3/%(project_id)s`,
    },
    {
      type: 'block-storage',
      name: 'cinder',
      description: 'Volumes',
      url: `${api}/volume/v3/%(project_id)s`,
    },
    { type: 'network', name: 'neutron', description: 'Networks', url: `${api}/network` },
    { type: 'compute', name: 'nova', description: 'Servers', url: `${api}/compute/v2.1` },
    {
      type: 'key-manager',
      name: 'barbican',
      description: 'Secrets and keys',
      url: `${api}/key-manager`,
    },
    { type: 'placement', name: 'placement', description: 'Placement', url: `${api}/placement` },
    { type: 's3', name: 's3', description: 'Object storage by S3', url: `${api}/s3` },
    {
      type: 'control',
      name: 'pileus',
      description: 'Operations, events, audit',
      url: `${api}/control`,
    },
  ];
}
