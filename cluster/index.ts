/** The storage cluster seen as one: replicated rows and blobs. */

export { absentDevice } from './absent-device.ts';
export * from './blobs.ts';
export * from './cluster.ts';
export {
  type Code,
  codeOfId,
  fragmentId,
  fragmentOf,
  fragmentsMax,
  isFragmentId,
} from './erasure/code.ts';
export { fragmentsOver, ownersOf, type PlaceFragments } from './erasure/fragment-places.ts';
export type { FragmentDevice } from './erasure/fragment-ring.ts';
export { ReedSolomon } from './erasure/reed-solomon.ts';
export { decodeTrailer, encodeTrailer, trailerBytes } from './erasure/trailer.ts';
export { KeyHasher } from './key-hash.ts';
export * from './placement.ts';
export * from './referrers.ts';
export { type RingLike, ringPlacement } from './ring-placement.ts';
export * from './settings.ts';
export * from './tables.ts';
