/** What machines that watch the cloud ask: metrics as Prometheus text, and whether it is healthy. */
import fastify from 'fastify';
import { type Address, listenFailure, type Metrics } from '#common';
import type { CloudStatus } from '../cloud-types.ts';

export interface AdminListener {
  close(): Promise<void>;
}

export async function listenAdmin(
  address: Address & { host: string },
  metrics: Metrics,
  status: () => Promise<CloudStatus>,
): Promise<AdminListener> {
  const app = fastify({ logger: false, bodyLimit: 1024, forceCloseConnections: true });
  app.get('/metrics', async (_request, reply) => {
    reply.type(metrics.contentType);
    return metrics.metrics();
  });
  app.get('/health', async (_request, reply) => {
    const { healthy, problems } = await status();
    return reply.code(healthy ? 200 : 503).send({ healthy, problems });
  });
  try {
    await app.listen(address);
  } catch (error) {
    throw listenFailure(error, address);
  }
  return { close: () => app.close() };
}
