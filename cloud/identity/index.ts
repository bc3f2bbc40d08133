/** Identity: who somebody is and what they may do, for every room and over Keystone's v3 API. */
export {
  type ApiServer,
  type ApiServerOptions,
  type MountableService,
  startApiServer,
} from '../api/index.ts';
export type { Account, AccountSummary, NewAccount, S3Access } from './accounts.ts';
export type { Issued } from './authenticate/authenticator.ts';
export { type AdminCredentials, type CatalogEntry, ensureAdminCredentials } from './bootstrap.ts';
export { credentialsOf } from './caller.ts';
export type { Context, DomainRef, ScopeInfo, UserRef } from './contexts.ts';
export { createIdentity, type Identity, type IdentityOptions } from './identity.ts';
export { identityMigrations } from './migrations/index.ts';
export { mayRequest, type ServiceRequest } from './resources/credentials/access-rules.ts';
export type { KeyPair } from './resources/credentials/credentials.ts';
export { ensureSealingKey } from './sealing.ts';
export { type IdentitySettings, identitySettings } from './settings.ts';
export type { TokenInfo } from './tokens/tokens.ts';
