/**
 * Row versions: hybrid logical timestamps (Kulkarni et al., "Logical Physical Clocks", 2014) in whole microseconds,
 * ties broken by the coordinator that made them. The same value serves as a CASPaxos ballot.
 */

export interface Version {
  /** Microseconds since 1970, made unique and monotonic by the coordinator; below 2^53. */
  readonly timeUs: number;
  /** The coordinator's number, 32 bits. */
  readonly coordinator: number;
}

/** Older than every version that is ever written. */
export const noVersion: Version = Object.freeze({ timeUs: 0, coordinator: 0 });

/** Negative when `a` is older, positive when newer, 0 when they are the same. */
export function compareVersions(a: Version, b: Version): number {
  return a.timeUs - b.timeUs || a.coordinator - b.coordinator;
}

export const versionBytes = 12;

/** 8 bytes of time and 4 of coordinator, big-endian, so that bytes sort as versions do. */
export function writeVersion(target: Buffer, at: number, version: Version): void {
  target.writeUInt32BE(Math.floor(version.timeUs / 2 ** 32), at);
  target.writeUInt32BE(version.timeUs % 2 ** 32, at + 4);
  target.writeUInt32BE(version.coordinator, at + 8);
}

export function readVersion(source: Buffer, at: number): Version {
  return {
    timeUs: source.readUInt32BE(at) * 2 ** 32 + source.readUInt32BE(at + 4),
    coordinator: source.readUInt32BE(at + 8),
  };
}
