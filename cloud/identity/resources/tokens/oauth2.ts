/** OAuth 2.0 client credentials (OS-OAUTH2, RFC 6749 §4.4): an application credential as client id and secret. */

import { isFailure } from '#common';
import type { ApiReply, Route } from '../../../api/index.ts';
import type { Authenticator } from '../../authenticate/authenticator.ts';
import { type IdentityCaller, route } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';

const type = 'application/x-www-form-urlencoded';

/** Errors in the words of RFC 6749 §5.2. */
const refusal = (status: number, error: string, why: string): ApiReply => ({
  status,
  body: { error, error_description: why },
  headers: {
    'Cache-Control': 'no-store',
    ...(status === 401 ? { 'WWW-Authenticate': 'Basic realm="OAuth 2.0"' } : {}),
  },
});

export function oauth2Routes(
  core: IdentityCore,
  authenticator: Authenticator,
): Route<IdentityCaller>[] {
  return [
    route({
      method: 'POST',
      path: '/v3/OS-OAUTH2/token',
      // The client's secret is the proof.
      policy: 'public',
      body: 'stream',
      bodyBytesMax: 16_384,
      mediaTypes: [type],
      handle: async (request) => {
        const client = clientOf(request.headers.authorization);
        if (client === undefined)
          return refusal(401, 'invalid_client', 'OAuth2.0 client authorization is required.');
        const chunks: Uint8Array[] = [];
        for await (const chunk of request.body) chunks.push(chunk);
        const form = new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
        const grant = form.get('grant_type');
        if (grant === null)
          return refusal(400, 'invalid_request', 'The parameter grant_type is required.');
        if (grant !== 'client_credentials')
          return refusal(
            400,
            'unsupported_grant_type',
            `The parameter grant_type ${grant.slice(0, 64)} is not supported.`,
          );
        return issue(core, authenticator, client);
      },
    }),
  ];
}

interface Client {
  readonly id: string;
  readonly secret: string;
}

/** HTTP's basic authentication, its parts percent-encoded as RFC 6749 §2.3.1 says. */
function clientOf(header: string | undefined): Client | undefined {
  const encoded = /^Basic +([A-Za-z0-9+/=]+)$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = text.indexOf(':');
  const [id, secret] = [text.slice(0, colon), text.slice(colon + 1)].map(decoded);
  if (colon <= 0 || id === undefined || secret === undefined || secret === '') return undefined;
  return { id, secret };
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

async function issue(
  core: IdentityCore,
  authenticator: Authenticator,
  client: Client,
): Promise<ApiReply> {
  try {
    const { token, info } = await authenticator.logIn(
      [
        {
          method: 'application_credential',
          credential: { id: client.id },
          user: undefined,
          secret: client.secret,
        },
      ],
      { kind: 'default' },
    );
    const seconds = Math.floor((info.expiresAtUs - core.clock.nowUs()) / 1e6);
    return {
      body: { access_token: token, token_type: 'Bearer', expires_in: seconds },
      headers: { 'Cache-Control': 'no-store' },
    };
  } catch (error) {
    if (!isFailure(error, 'denied')) throw error;
    return refusal(401, 'invalid_client', 'The request you have made requires authentication.');
  }
}
