/** The key manager: payloads are sealed by the object store's master keys, whose rows lie apart from the database. */
import type { RequestLine } from '#cloud/api';
import { credentialsOf, type Identity } from '#cloud/identity';
import { createSecrets, type MasterKeys, type Secrets } from '#cloud/secret';
import { systemClock } from '#common';
import type { RoleContext } from './context.ts';
import type { Controller } from './controller.ts';

export interface SecretsParts
  extends Pick<Controller, 'state' | 'operations' | 'quotas' | 'identity'> {
  readonly masterKeys: MasterKeys;
}

export async function openSecrets(parts: SecretsParts, context: RoleContext): Promise<Secrets> {
  const { state, operations, quotas, identity, masterKeys } = parts;
  return await createSecrets({
    ...{ state, operations, quotas, masterKeys },
    settings: context.settings.secret,
    clock: systemClock,
    random: context.random,
    log: context.log.child({ room: 'secret' }),
    authenticate: (token, line) => callerOf(identity, token, line),
  });
}

async function callerOf(identity: Identity, token: string, line: RequestLine) {
  const info = await identity.validateToken(token, { service: 'key-manager', ...line });
  if (info === undefined) return undefined;
  return {
    userId: info.user.id,
    projectId: info.scope.kind === 'project' ? info.scope.id : undefined,
    isAdmin: info.roles.some(({ name }) => name === 'admin'),
    credentials: credentialsOf(info),
  };
}
