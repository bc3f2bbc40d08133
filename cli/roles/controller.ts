/** The controller: the control plane's state, identity, and its HTTP API. */
import {
  type AdminCredentials,
  type ApiServer,
  type CatalogEntry,
  createIdentity,
  ensureAdminCredentials,
  ensureSealingKey,
  type Identity,
  identityMigrations,
  type MountableService,
  startApiServer,
} from '#cloud/identity';
import { imageMigrations } from '#cloud/image';
import { createOperations, type Operations, operationMigrations } from '#cloud/operations';
import { createQuotas, type Quotas, quotaMigrations } from '#cloud/quotas';
import { openState, type State } from '#cloud/state';
import { systemClock, systemDisk, type Undo } from '#common';
import type { DataFolder } from '../data-folder.ts';
import { readPolicies } from '../policy-file.ts';
import type { RoleContext } from './context.ts';

export interface Controller {
  readonly state: State;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly identity: Identity;
  readonly admin: AdminCredentials;
  /** Starts answering for identity and the other services by prefix; the rest of the program must be ready. */
  listen(
    address: { readonly host: string; readonly port: number },
    services: Readonly<Record<string, MountableService>>,
  ): Promise<ApiServer>;
}

export async function openController(
  folder: DataFolder,
  context: RoleContext,
  catalog: readonly CatalogEntry[],
  opened: Undo,
): Promise<Controller> {
  const { settings, random, metrics } = context;
  const policies = readPolicies(folder.path('policy.yaml'));
  const log = context.log.child({ room: 'controller' });
  const common = { disk: systemDisk, clock: systemClock, log };
  const path = folder.path('state', 'pileus.sqlite');
  const state = await openState({
    path,
    settings: settings.state,
    migrations: [identityMigrations, imageMigrations, operationMigrations, quotaMigrations],
    ...common,
  });
  opened.add(() => state.close());
  const sealingKey = await ensureSealingKey(
    systemDisk,
    folder.path('secrets', 'sealing.key'),
    random,
  );
  const identity = await createIdentity({
    state,
    sealingKey,
    settings: settings.identity,
    random,
    clock: systemClock,
    log,
  });
  opened.add(() => identity.close());
  const admin = await ensureAdminCredentials(
    systemDisk,
    folder.path('secrets', 'admin.json'),
    random,
  );
  await identity.bootstrap(admin, catalog);
  const quotas = createQuotas(state);
  const operations = createOperations({
    state,
    settings: settings.operations,
    owner: `${context.clusterId}/${context.name}`,
    clock: systemClock,
    random,
    log,
    metrics,
  });
  opened.add(() => operations.close());
  return {
    state,
    operations,
    quotas,
    identity,
    admin,
    listen: async ({ host, port }, services) => {
      // Every service has been made and has added its workflows: work can begin.
      await operations.open();
      return startApiServer({
        services: { '': identity.service, '/identity': identity.service, ...services },
        host,
        port,
        clock: systemClock,
        random,
        log,
        metrics,
        settings: settings.api,
        policies,
      });
    },
  };
}
