/** Placement: which devices hold a partition, how that is decided, and the file that tells it. */
export { type BuildTimes, type BuiltRing, buildRing } from './builder.ts';
export { parseDevice, type RingDevice } from './device.ts';
export { JointRing, type RingView } from './joint-ring.ts';
export { measureRing, type RingMeasures } from './measure.ts';
export {
  type DeviceMoves,
  estimateCost,
  type MoveCost,
  type MovePlan,
  noSource,
  planMoves,
} from './moves.ts';
export { type Handoff, Ring, type RingParts } from './placement.ts';
export { type ByteOrder, decodeRingFile, encodeRingFile } from './ring-file.ts';
export { parseRingSpec, type RingSpec } from './spec.ts';
export { type DeviceSummary, type RingSummary, summarizeRing } from './summary.ts';
export { countWaves, nextWave, type WaveOptions } from './waves.ts';
