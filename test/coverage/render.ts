/** docs/api-coverage.md, rendered from the route tables; `node test/coverage/write.ts` writes it, the tidy test compares. */
import { imageApiRoutes } from '../../cloud/image/service.ts';
import { networkRoutes } from '../../cloud/network/service.ts';
import { secretApiRoutes } from '../../cloud/secret/service.ts';
import { volumeApiRoutes } from '../../cloud/volume/service.ts';
import { placementRoutes } from '../../compute-hooks/placement/routes.ts';
import { computeApiRoutes } from '../../compute-hooks/service.ts';
import { computeRows } from './compute.ts';
import { identityOperations } from './identity.ts';
import { imageRows } from './image.ts';
import { networkRows } from './network.ts';
import { placementRows } from './placement.ts';
import { s3Rows, s3Sections } from './s3.ts';
import { secretRows } from './secret.ts';
import { swiftEntries } from './swift.ts';
import { servicesMissing } from './upstream.ts';
import { volumeRows } from './volume.ts';

/** Route tables close over services they only use when called: something that answers anything stands in for those. */
export function hollow(): never {
  const target = () => undefined;
  const proxy: unknown = new Proxy(target, {
    get: () => proxy,
    apply: () => proxy,
    construct: () => Object(proxy),
  });
  return proxy as never;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  return lines.join('\n');
}

function s3Section(): string[] {
  const rows = s3Rows();
  const works = rows.filter(({ state }) => state === 'works').length;
  return [
    `## S3: ${works} of ${rows.length} operations`,
    ...s3Sections,
    table(
      ['Operation', 'State', 'Note', 'boto3 tests'],
      rows.map(({ operation, state, note, tests }) => [operation, state, note, tests]),
    ),
  ];
}

function identitySection(): string[] {
  const operations = identityOperations(hollow());
  const works = operations.filter((operation) => operation.state === 'works').length;
  const rows = operations.map(({ name, state, policy }) => [`\`${name}\``, state, policy]);
  return [
    `## Identity (Keystone v3): ${works} of ${operations.length} operations`,
    'Log-in methods: password, token, totp, application_credential, and those of OpenID Connect providers; refused: external, oauth1, saml2, kerberos. OAuth 1.0a consumers can be registered, its delegation is refused.',
    table(['Operation', 'State', 'Who may (policy rule)'], rows),
  ];
}

export function renderCoverage(): string {
  return [
    '# What of each API is there',
    'Generated from the route tables by `node test/coverage/write.ts`. What is not there answers with its API’s own error.',
    '## Swift',
    table(
      ['Operation or middleware', 'Parameters, headers, kinds', 'State', 'Note'],
      swiftEntries.map(({ operation, parts, state, note }) => [
        operation,
        parts,
        state,
        note ?? '',
      ]),
    ),
    ...s3Section(),
    ...identitySection(),
    '## Image (Glance v2)',
    table(['Operation', 'Parameters', 'State', 'Note'], imageRows(imageApiRoutes(hollow()))),
    '## Volume (Cinder v3, microversions 3.0 to 3.70)',
    'Each under `/v3/{project_id}` and, since 3.67, under `/v3`.',
    table(['Operation', 'State', 'Rule or note'], volumeRows(volumeApiRoutes(hollow()))),
    '## Compute (Nova 2.1, microversions 2.1 to 2.93)',
    'Each under `/v2.1`; actions are the only key of the body.',
    table(['Operation', 'State', 'Rule or note'], computeRows(computeApiRoutes(hollow()))),
    '## Placement (microversions 1.0 to 1.28)',
    table(['Operation', 'State', 'Rule or note'], placementRows(placementRoutes(hollow()))),
    '## Network (Neutron 2.0)',
    'Each under `/v2.0`; `GET /v2.0/extensions` lists what of Neutron’s extensions is there.',
    table(['Operation', 'State', 'Note'], networkRows(networkRoutes(hollow()))),
    '## Key manager (Barbican v1, microversions 1.0 to 1.1)',
    table(['Operation', 'State', 'Rule or note'], secretRows(secretApiRoutes(hollow()))),
    '## Other services',
    `Not there yet: ${servicesMissing.join(' · ')}.`,
    '',
  ]
    .join('\n\n')
    .replace(/\n\n$/, '\n');
}
