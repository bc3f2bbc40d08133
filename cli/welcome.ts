/** What `pileus up` prints for a person, and the client configuration files it leaves in the data folder. */
import { stringify } from 'yaml';
import type { CloudInfo, Lack } from './cloud-types.ts';
import { catalogAt } from './roles/endpoints.ts';

/** The one region of a cloud, as its catalog calls it. */
const region = 'RegionOne';

export function renderWelcome(info: CloudInfo, lacks: readonly Lack[]): string {
  const hasServers = lacks.every(({ coming }) => coming);
  const { endpoints, admin, s3, data } = info;
  return [
    'Pileus is up.',
    '',
    `  S3          ${endpoints.s3}`,
    `  Swift v1    ${endpoints.swift_auth_v1}   (user ${admin.project}:${admin.username})`,
    `  Keystone    ${endpoints.identity}`,
    `  Nova        ${endpoints.compute}`,
    `  Neutron     ${endpoints.network}`,
    `  Cinder      ${endpoints.volume}`,
    `  Glance      ${endpoints.image}`,
    `  Barbican    ${endpoints.key_manager}`,
    `  all APIs    ${endpoints.api}   (${paths(info)})`,
    `  NBD         ${endpoints.nbd}`,
    `  Metrics     ${endpoints.metrics}`,
    '',
    `  user ${admin.username}, project ${admin.project}, domain ${admin.domain}, password ${admin.password}`,
    `  S3 access key ${s3.access_key}, secret key ${s3.secret_key}`,
    '',
    ...trust(info),
    'Three things to try:',
    `  . ${data}/openrc`,
    `  swift upload first README.md && aws --endpoint-url ${endpoints.s3} s3 ls s3://first`,
    `  ./pileus volume create --name disk --size 1GiB --export --data ${data}`,
    hasServers
      ? '  openstack server create --image pileus-guest --flavor m1.tiny --network public --wait web && openstack console log show web'
      : '  openstack image create --disk-format raw --container-format bare --file README.md first',
    '',
    ...(lacks.length === 0 ? [] : [...renderLacks(lacks), '']),
    `Configuration for clients: ${data}/openrc (shell), ${data}/clouds.yaml (openstack). Stop: ./pileus down --data ${data}`,
  ].join('\n');
}

/** A line for each thing that this machine has not. */
export const renderLacks = (lacks: readonly Lack[]): string[] =>
  lacks.map(({ what, reason, advice }) => `Not here: ${what}, ${reason}; ${advice}`);

/** The services behind the one address. */
function paths({ endpoints }: CloudInfo): string {
  const first = (url: string) => new URL(url).pathname.split('/')[1] ?? '';
  return [...new Set(catalogAt(endpoints).map(({ url }) => `/${first(url)}`))].join(' ');
}

/** How clients come to trust the cloud's own certificate authority. */
function trust({ ca }: CloudInfo): string[] {
  if (ca === undefined) return [];
  return [
    `TLS: certificates come from this cloud's own authority, ${ca}. The configuration below names it to clients;`,
    '  for the whole machine (Debian, as root):',
    `  cp ${ca} /usr/local/share/ca-certificates/pileus.crt && update-ca-certificates`,
    '',
  ];
}

export function renderOpenrc(info: CloudInfo): string {
  const { endpoints, admin, s3 } = info;
  const variables: Record<string, string> = {
    OS_AUTH_URL: endpoints.identity,
    OS_IDENTITY_API_VERSION: '3',
    OS_USERNAME: admin.username,
    OS_PASSWORD: admin.password,
    OS_PROJECT_NAME: admin.project,
    OS_USER_DOMAIN_NAME: admin.domain,
    OS_PROJECT_DOMAIN_NAME: admin.domain,
    OS_REGION_NAME: region,
    AWS_ACCESS_KEY_ID: s3.access_key,
    AWS_SECRET_ACCESS_KEY: s3.secret_key,
    AWS_DEFAULT_REGION: region,
    AWS_ENDPOINT_URL: endpoints.s3,
    ...(info.ca === undefined ? {} : { OS_CACERT: info.ca, AWS_CA_BUNDLE: info.ca }),
  };
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}='${value}'\n`)
    .join('');
}

export function renderCloudsYaml(info: CloudInfo): string {
  const { endpoints, admin } = info;
  const auth = {
    auth_url: endpoints.identity,
    username: admin.username,
    password: admin.password,
    project_name: admin.project,
    user_domain_name: admin.domain,
    project_domain_name: admin.domain,
  };
  return stringify({
    clouds: {
      pileus: {
        auth,
        region_name: region,
        identity_api_version: '3',
        ...(info.ca === undefined ? {} : { cacert: info.ca }),
      },
    },
  });
}
