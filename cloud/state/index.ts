/** The control plane's database: opened once, handed to every service. */
export type { Migration, RoomMigrations } from './migrations.ts';
export { type StateSettings, stateSettings } from './settings.ts';
export {
  type AnyTransaction,
  isPostgres,
  openState,
  roomOf,
  type State,
  type StateOptions,
  type TransactionOptions,
} from './state.ts';
