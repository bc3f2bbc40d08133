/** How one service asks another by its API: over the cloud's own address, with the token of whoever asks. */
import { Agent, request } from 'undici';
import { Failure } from '#common';
import type { ServiceCalls } from '#compute-hooks';
import type { Endpoints } from '../cloud-types.ts';

const answerMs = 60_000;
const connectionsMax = 32;

export function serviceCalls(
  endpoints: Pick<Endpoints, 'image' | 'volume' | 'network'>,
  authority: string | undefined,
): ServiceCalls & { close(): Promise<void> } {
  const agent = new Agent({
    connections: connectionsMax,
    ...(authority === undefined ? {} : { connect: { ca: authority } }),
  });
  return {
    call: async ({ token, service, method, path, body, type, version }) => {
      const json = body === undefined || Buffer.isBuffer(body) ? undefined : JSON.stringify(body);
      const answer = await request(`${endpoints[service]}${path}`, {
        dispatcher: agent,
        method,
        headers: {
          'x-auth-token': token,
          ...(version === undefined ? {} : { 'openstack-api-version': version }),
          ...(body === undefined
            ? {}
            : {
                'content-type':
                  type ?? (json === undefined ? 'application/octet-stream' : 'application/json'),
              }),
        },
        body: json ?? (Buffer.isBuffer(body) ? body : null),
        headersTimeout: answerMs,
        bodyTimeout: answerMs,
      }).catch((error: unknown) => {
        throw new Failure('unreachable', 'service-silent', `The ${service} service is silent`, {
          cause: error,
        });
      });
      const text = await answer.body.text();
      return { status: answer.statusCode, body: parsed(text) };
    },
    close: () => agent.destroy(),
  };
}

/** What is not JSON says nothing that anybody here reads. */
function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}
