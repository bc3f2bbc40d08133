/** Every operation of Barbican's API v1 (1.0 to 1.1), and what of it is there. */
import type { Route } from '../../cloud/api/index.ts';
import type { SecretCaller } from '../../cloud/secret/caller.ts';

const notes: Readonly<Record<string, string>> = {
  'POST /v1/secrets': 'payload of 20,000 bytes at most; `transport_key_needed` is refused: 400',
  'POST /v1/orders':
    'types `key` and `asymmetric` (RSA, DSA); 501 for `certificate` and for a passphrase',
  'GET /v1/quotas': '`cas` is always -1',
  'PUT /v1/project-quotas/:project_id': '`cas` must be -1: there are none',
  'GET /v1/secret-stores': 'one: the cloud’s key store',
  'GET /v1/transport_keys': 'there are none',
};

/** What upstream's table has beside the routes that are declared. */
const refusals: readonly (readonly [operation: string, note: string])[] = [
  ['POST /v1/transport_keys', '501: secrets travel by TLS'],
  ['PUT /v1/orders', '405, as upstream'],
  ['GET, POST, DELETE /v1/cas', '404: certificate authorities were taken out upstream'],
];

export function secretRows(routes: readonly Route<SecretCaller>[]): string[][] {
  const rows: string[][] = [];
  const refused = new Set(refusals.map(([operation]) => operation));
  for (const { method, path, policy, versions } of routes) {
    const operation = `${method} ${path}`;
    if (refused.has(operation)) continue;
    const since = versions?.from === undefined ? [] : [`since ${versions.from}`];
    const note = [`\`${policy}\``, ...since, ...(notes[operation] ? [notes[operation]] : [])];
    rows.push([`\`${operation}\``, 'works', note.join('; ')]);
  }
  for (const [operation, note] of refusals) rows.push([`\`${operation}\``, 'refused', note]);
  return rows.sort(([a = ''], [b = '']) => (a < b ? -1 : 1));
}
