/** docs/api-coverage.md, rendered from the route tables; `node test/coverage/write.ts` writes it, the tidy test compares. */
import { imageApiRoutes } from '../../cloud/image/service.ts';
import { volumeApiRoutes } from '../../cloud/volume/service.ts';
import { s3Routes } from '../../proxy/s3/index.ts';
import { identityOperations } from './identity.ts';
import { imageRows } from './image.ts';
import { servicesMissing, swiftFeatures } from './upstream.ts';
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

function s3Table(): string {
  const rows = new Map<string, string>();
  for (const route of s3Routes) {
    const state = route.run === undefined ? 'refused: 501 NotImplemented' : 'works';
    // An operation with several ways to be named works when one of them does.
    if (rows.get(route.operation) !== 'works') rows.set(route.operation, state);
  }
  return table(
    ['Operation', 'State'],
    [...rows].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
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
  const works = new Set(
    s3Routes.filter((route) => route.run !== undefined).map((route) => route.operation),
  ).size;
  const all = new Set(s3Routes.map((route) => route.operation)).size;
  return [
    '# What of each API is there',
    'Generated from the route tables by `node test/coverage/write.ts`. What is not there answers with its API’s own error.',
    '## Swift',
    table(
      ['Feature', 'State', 'Note'],
      swiftFeatures.map(({ name, state, note }) => [name, state, note ?? '']),
    ),
    `## S3: ${works} of ${all} operations`,
    s3Table(),
    ...identitySection(),
    '## Image (Glance v2)',
    table(['Operation', 'Parameters', 'State', 'Note'], imageRows(imageApiRoutes(hollow()))),
    '## Volume (Cinder v3, microversions 3.0 to 3.70)',
    'Each under `/v3/{project_id}` and, since 3.67, under `/v3`.',
    table(['Operation', 'State', 'Rule or note'], volumeRows(volumeApiRoutes(hollow()))),
    '## Other services',
    `Not there yet: ${servicesMissing.join(' · ')}.`,
    '',
  ]
    .join('\n\n')
    .replace(/\n\n$/, '\n');
}
