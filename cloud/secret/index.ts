/** Secrets over OpenStack's key manager API (Barbican v1). */
export type { SecretCaller } from './caller.ts';
export type { KeyHolder, KeysForVolumes } from './for-volumes.ts';
export { secretMigrations } from './migrations/index.ts';
export type { MasterKeys } from './sealing.ts';
export { createSecrets, type Secrets, type SecretsOptions } from './secrets.ts';
export { type SecretSettings, secretSettings } from './settings.ts';
