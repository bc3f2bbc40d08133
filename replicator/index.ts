/** Keeps copies whole: compares, mends, hands back, refills, checks. */
export { type CursorStore, memoryCursors } from './cursor.ts';
export type { Irreparable } from './irreparable.ts';
export {
  createReplicator,
  type Replicator,
  type ReplicatorParts,
  type ReplicatorStatus,
} from './replicator.ts';
export { type ReplicatorSettings, replicatorSettings } from './settings.ts';
