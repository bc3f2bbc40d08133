/** Identity as the object front door asks for it. */
import { type Context, type Identity as IdentityRoom, mayRequest } from '#cloud/identity';
import type { Authenticator, Identity } from '#proxy';

/** Administrators of the whole cloud: the `admin` role on the system or on the project of this name. */
const cloudProject = 'admin';

export function adaptIdentity(room: IdentityRoom): Authenticator {
  return {
    async authenticatePassword(projectUser, key) {
      const issued = await room.authenticatePassword(projectUser, key);
      return (
        issued && {
          token: issued.token,
          identity: identityOf(issued.info, issued.info.expiresAtUs),
        }
      );
    },
    async validateToken(token, line) {
      const info = await room.validateToken(token, line && { service: 'object-store', ...line });
      return info && identityOf(info, info.expiresAtUs);
    },
    async s3Secret(accessKey) {
      const access = await room.s3Secret(accessKey);
      return access && { secret: access.secretKey, identity: identityOf(access, undefined) };
    },
    async findOwner(query) {
      const owner = await room.findOwner(query);
      if (owner === undefined) return undefined;
      const { name: displayName, ...rest } = owner;
      return { ...rest, displayName };
    },
    onRevoked: (listener) => room.onRevoked(listener),
  };
}

function identityOf(context: Context, expiresAtUs: number | undefined): Identity {
  const { user, scope } = context;
  const project = scope.kind === 'project' ? scope : undefined;
  const roles = context.roles.map((role) => role.name);
  const overAll =
    scope.kind === 'system' || (project?.name === cloudProject && project.domain.id === 'default');
  return {
    userId: user.id,
    userName: user.name,
    projectId: project?.id,
    projectName: project?.name,
    domainId: project?.domain.id,
    domainName: project?.domain.name,
    userDomainId: user.domain.id,
    roles,
    reseller: overAll && roles.includes('admin'),
    ...(context.applicationCredential?.accessRules === undefined
      ? {}
      : { permits: (line) => mayRequest(context, { service: 'object-store', ...line }) }),
    expiresMs: expiresAtUs === undefined ? undefined : Math.floor(expiresAtUs / 1000),
  };
}
