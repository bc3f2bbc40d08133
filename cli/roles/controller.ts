/** The controller: the control plane's state, identity, and its HTTP API. */

import type { Caller, PolicyRules } from '#cloud/api';
import { controlService } from '#cloud/control';
import {
  type AdminCredentials,
  type ApiServer,
  type ApiServerOptions,
  type CatalogEntry,
  createIdentity,
  credentialsOf,
  ensureAdminCredentials,
  ensureSealingKey,
  type Identity,
  identityMigrations,
  startApiServer,
} from '#cloud/identity';
import { imageMigrations } from '#cloud/image';
import { AuditTrail, Events, journalMigrations, keepJournal, type NewEvent } from '#cloud/journal';
import { networkMigrations } from '#cloud/network';
import {
  createOperations,
  loadWaker,
  type Operation,
  type Operations,
  operationMigrations,
  type Waker,
} from '#cloud/operations';
import { createQuotas, type Quotas, quotaMigrations } from '#cloud/quotas';
import { secretMigrations } from '#cloud/secret';
import { openState, type State } from '#cloud/state';
import { volumeMigrations } from '#cloud/volume';
import { type Logger, systemClock, systemDisk, type Undo } from '#common';
import { computeMigrations, type Members, membersOf } from '#compute-hooks';
import type { DataFolder } from '../data-folder.ts';
import { takeOverList } from '../hosts/registry.ts';
import { readPolicies } from '../policy-file.ts';
import type { RoleContext } from './context.ts';

export type ListenOptions = Pick<
  ApiServerOptions,
  'host' | 'port' | 'tls' | 'services' | 'doors' | 'upgrades'
>;

export interface Controller {
  readonly state: State;
  readonly operations: Operations;
  readonly quotas: Quotas;
  readonly events: Events;
  readonly audit: AuditTrail;
  /** The caller behind a token, as every service but identity knows callers. */
  authenticate(token: string): Promise<Caller | undefined>;
  readonly identity: Identity;
  /** The hosts in other processes that may join. */
  readonly members: Members;
  readonly admin: AdminCredentials;
  /** What the operator's file puts in place of policy rules, by service. */
  readonly policies: Readonly<Record<string, PolicyRules>>;
  /** Starts answering for identity and what else is named; the rest of the program must be ready. */
  listen(at: ListenOptions): Promise<ApiServer>;
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
    migrations: [
      identityMigrations,
      imageMigrations,
      operationMigrations,
      quotaMigrations,
      journalMigrations,
      volumeMigrations,
      computeMigrations,
      networkMigrations,
      secretMigrations,
    ],
    ...common,
  });
  opened.add(() => state.close());
  const members = membersOf(state);
  await takeOverList(folder, members);
  const sealingKey = await ensureSealingKey(
    systemDisk,
    folder.path('secrets', 'sealing.key'),
    random,
  );
  const events = new Events(state, systemClock, random);
  const identity = await createIdentity({
    state,
    notify: (transaction, event) => events.emit(transaction, event),
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
  const audit = new AuditTrail({
    state,
    settings: settings.journal,
    clock: systemClock,
    random,
    log,
  });
  opened.add(() => audit.close());
  const keeping = keepJournal({ state, settings: settings.journal, clock: systemClock, log });
  opened.add(() => keeping.stop());
  const waker = await wakerOf(context, log, opened);
  const operations = createOperations({
    state,
    settings: settings.operations,
    owner: `${context.clusterId}/${context.name}`,
    clock: systemClock,
    random,
    log,
    metrics,
    ...(waker === undefined ? {} : { announce: () => waker.announce() }),
    observe: (transaction, operation) => events.emit(transaction, eventOf(operation)),
  });
  opened.add(() => operations.close());
  waker?.listen(() => operations.wake());
  const authenticate = callerBehind(identity);
  const control = controlService({ operations, events, audit, authenticate });
  return {
    state,
    operations,
    quotas,
    events,
    audit,
    authenticate,
    identity,
    members,
    admin,
    policies,
    listen: async ({ services, ...at }) => {
      // Every service has been made and has added its workflows: work can begin.
      await operations.open();
      return startApiServer({
        services: {
          '': identity.service,
          '/identity': identity.service,
          '/control': control,
          ...services,
        },
        audit: (record) => audit.record(record),
        ...at,
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

/** Only those who use Redis load its client. */
async function wakerOf(
  { settings, clusterId }: RoleContext,
  log: Logger,
  opened: Undo,
): Promise<Waker | undefined> {
  const url = settings.operations.redisUrl;
  if (url === '') return undefined;
  const { connectWaker } = await loadWaker();
  const waker = connectWaker({ url, cluster: clusterId, log });
  opened.add(() => waker.close());
  return waker;
}

/** What followers of the feed hear of an operation. */
function eventOf(operation: Operation): NewEvent {
  const { id, workflow, state, resource, projectId, userId, requestId, error } = operation;
  const what = { succeeded: 'end', failed: 'error', cancelled: 'cancel' } as const;
  const ending = state in what ? what[state as keyof typeof what] : 'start';
  const payload = { operation_id: id, ...(error === undefined ? {} : { error: error.message }) };
  return { type: `${workflow}.${ending}`, resource, projectId, userId, requestId, payload };
}

/** A token stands for a user in a scope; what policies ask of it is the same in every service. */
function callerBehind(identity: Identity): (token: string) => Promise<Caller | undefined> {
  return async (token) => {
    const info = await identity.validateToken(token);
    if (info === undefined) return undefined;
    const projectId = info.scope.kind === 'project' ? info.scope.id : undefined;
    return { userId: info.user.id, projectId, credentials: credentialsOf(info) };
  };
}
