/** The key manager as the rest of the program sees it. */
import type { MountableService } from '#cloud/api';
import { SecretCore, type SecretCoreOptions } from './core.ts';
import { type KeysForVolumes, keysForVolumes } from './for-volumes.ts';
import { ensureStore } from './resources/secret-stores.ts';
import { type Authenticate, secretService } from './service.ts';
import { orderWorkflow } from './workflows/order.ts';

export interface SecretsOptions extends SecretCoreOptions {
  readonly authenticate: Authenticate;
}

export interface Secrets {
  /** The HTTP API, to be mounted on an API server. */
  readonly service: MountableService;
  readonly forVolumes: KeysForVolumes;
}

export async function createSecrets(options: SecretsOptions): Promise<Secrets> {
  const core = new SecretCore(options);
  options.operations.add([orderWorkflow(core)]);
  await ensureStore(core);
  return {
    service: secretService(core, options.authenticate),
    forVolumes: keysForVolumes(core),
  };
}
