/** Operations of upstream's that are not here, answered so instead of as if their URLs did not exist. */
import type { Method, Route } from '../../api/index.ts';
import { type IdentityCaller, route } from '../caller.ts';
import { identityFailure } from '../failures.ts';

const saml = 'SAML 2.0';
const dashboards = 'Web single sign-on';
const oauth1 = 'Delegation by OAuth 1.0a';

export const refusedOperations: readonly (readonly [Method, string, string])[] = [
  ['GET', '/v3/auth/OS-FEDERATION/websso/:protocol_id', dashboards],
  ['POST', '/v3/auth/OS-FEDERATION/websso/:protocol_id', dashboards],
  [
    'GET',
    '/v3/auth/OS-FEDERATION/identity_providers/:idp_id/protocols/:protocol_id/websso',
    dashboards,
  ],
  [
    'POST',
    '/v3/auth/OS-FEDERATION/identity_providers/:idp_id/protocols/:protocol_id/websso',
    dashboards,
  ],
  ['POST', '/v3/auth/OS-FEDERATION/saml2', saml],
  ['POST', '/v3/auth/OS-FEDERATION/saml2/ecp', saml],
  ['GET', '/v3/OS-FEDERATION/saml2/metadata', saml],
  ['POST', '/v3/OS-OAUTH1/request_token', oauth1],
  ['PUT', '/v3/OS-OAUTH1/authorize/:request_token_id', oauth1],
  ['POST', '/v3/OS-OAUTH1/access_token', oauth1],
  ['GET', '/v3/users/:user_id/OS-OAUTH1/access_tokens', oauth1],
  ['GET', '/v3/users/:user_id/OS-OAUTH1/access_tokens/:access_token_id', oauth1],
  ['DELETE', '/v3/users/:user_id/OS-OAUTH1/access_tokens/:access_token_id', oauth1],
  ['GET', '/v3/users/:user_id/OS-OAUTH1/access_tokens/:access_token_id/roles', oauth1],
  ['GET', '/v3/users/:user_id/OS-OAUTH1/access_tokens/:access_token_id/roles/:role_id', oauth1],
  ['GET', '/v3/OS-REVOKE/events', 'The list of revocation events'],
  ['GET', '/v3/OS-SIMPLE-CERT/ca', 'PKI tokens'],
  ['GET', '/v3/OS-SIMPLE-CERT/certificates', 'PKI tokens'],
  ['GET', '/v3/auth/tokens/OS-PKI/revoked', 'PKI tokens'],
];

export const refusedRoutes = (): Route<IdentityCaller>[] =>
  refusedOperations.map(([method, path, what]) =>
    route({
      method,
      path,
      policy: 'public',
      handle: () => {
        throw identityFailure('not-implemented', { what });
      },
    }),
  );
