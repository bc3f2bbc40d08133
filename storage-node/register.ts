/**
 * What a row's acceptor decides (CASPaxos): pure, so that the disk store and its memory twin cannot differ.
 * Invariant: what was accepted never gets older, and nothing older than a promise is accepted after it.
 */
import { compareVersions, type Version } from '#wire';

export interface RegisterState {
  /** The version accepted here, undefined when none was. */
  readonly accepted: Version | undefined;
  /** The newest ballot promised and not overtaken by an accept since; undefined for none. */
  readonly promised: Version | undefined;
}

export type AcceptDecision =
  /** Write it. */
  | { readonly decision: 'write' }
  /** This very version was accepted before. */
  | { readonly decision: 'repeated' }
  | { readonly decision: 'superseded'; readonly by: Version };

const write: AcceptDecision = Object.freeze({ decision: 'write' });
const repeated: AcceptDecision = Object.freeze({ decision: 'repeated' });

export function decideAccept(state: RegisterState, version: Version): AcceptDecision {
  const { accepted, promised } = state;
  if (accepted !== undefined) {
    const order = compareVersions(version, accepted);
    // Saying again that it was accepted is true whatever was promised since.
    if (order === 0) return repeated;
    if (order < 0) return { decision: 'superseded', by: newer(accepted, promised) };
  }
  if (promised !== undefined && compareVersions(version, promised) < 0)
    return { decision: 'superseded', by: promised };
  return write;
}

/** Undefined when the ballot is to be promised, otherwise what is in its way. A repeated prepare is promised again. */
export function decidePrepare(state: RegisterState, ballot: Version): Version | undefined {
  const { accepted, promised } = state;
  // A ballot that carried a value already cannot be prepared for a second one.
  if (accepted !== undefined && compareVersions(ballot, accepted) <= 0)
    return newer(accepted, promised);
  if (promised !== undefined && compareVersions(ballot, promised) < 0) return promised;
  return undefined;
}

/**
 * Of a row that the device does not know it may have forgotten a tombstone, none newer than `forgottenUs`. So it stands as a promise to
 * take nothing older: what is in the way of `version`, or undefined. Copies of what other devices hold are let through.
 */
export function forgottenInTheWay(
  state: RegisterState,
  version: Version,
  forgottenUs: number,
): Version | undefined {
  if (forgottenUs === 0 || state.accepted !== undefined || version.timeUs > forgottenUs)
    return undefined;
  return { timeUs: forgottenUs, coordinator: 0xffffffff };
}

/**
 * Whether the row may be forgotten: it has that very version, and no promise is kept for it that the time it leaves behind would not cover.
 * Returns that time (0: none, for a live row), or undefined when it must stay.
 */
export function decideForget(
  state: RegisterState,
  version: Version,
  deleted: boolean,
): number | undefined {
  const { accepted, promised } = state;
  if (accepted === undefined || compareVersions(accepted, version) !== 0) return undefined;
  if (deleted) return Math.max(version.timeUs, promised?.timeUs ?? 0);
  return promised === undefined ? 0 : undefined;
}

function newer(a: Version, b: Version | undefined): Version {
  return b === undefined || compareVersions(a, b) >= 0 ? a : b;
}
