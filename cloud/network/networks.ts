/** The network service as the rest of the program sees it. */
import type { MountableService } from '#cloud/api';
import { type CoreOptions, NetworkCore } from './core.ts';
import { ensurePublic } from './resources/public-network.ts';
import { declareQuotas } from './resources/quotas.ts';
import { type Authenticate, networkService } from './service.ts';

export interface NetworksOptions extends CoreOptions {
  readonly authenticate: Authenticate;
}

export interface Networks {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  /** Makes the external network `public` in this range unless it was made before. */
  ensurePublic(projectId: string, range: string): Promise<void>;
  close(): Promise<void>;
}

export async function createNetworks(options: NetworksOptions): Promise<Networks> {
  const core = new NetworkCore(options);
  declareQuotas(core);
  return {
    service: networkService(core, options.authenticate),
    ensurePublic: (projectId, range) => ensurePublic(core, projectId, range),
    close: async () => {},
  };
}
