/** Object lock: what keeps a version from being deleted, whichever dialect asks. Pure. */
import { objectFailure } from '../failures.ts';
import type { ObjectInfo } from '../object-service.ts';

/** Fields of a version's `system`. */
export const lockModeField = 'lock-mode';
/** Seconds since 1970. */
export const lockUntilField = 'lock-until';
export const legalHoldField = 'legal-hold';

export type LockMode = 'GOVERNANCE' | 'COMPLIANCE';

/** The mode that protects the version now. */
export function lockInForce({ system }: ObjectInfo, nowUs: number): LockMode | undefined {
  const until = Number(system[lockUntilField] ?? 0);
  if (until * 1_000_000 <= nowUs) return undefined;
  const mode = system[lockModeField];
  return mode === 'GOVERNANCE' || mode === 'COMPLIANCE' ? mode : undefined;
}

export function isLocked(info: ObjectInfo, nowUs: number, bypassGovernance = false): boolean {
  if (info.system[legalHoldField] === 'ON') return true;
  const mode = lockInForce(info, nowUs);
  return mode === 'COMPLIANCE' || (mode === 'GOVERNANCE' && !bypassGovernance);
}

export function checkUnlocked(info: ObjectInfo, nowUs: number, bypassGovernance = false): void {
  if (!isLocked(info, nowUs, bypassGovernance)) return;
  throw objectFailure('version-locked', 'The version is locked', {
    facts: { object: info.name, version: info.versionId },
  });
}
