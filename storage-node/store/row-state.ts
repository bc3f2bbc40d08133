/** A row as the store knows it between log and caller. */
import type { Row, Version } from '#wire';
import { padded } from '../log/record.ts';

export interface RowState {
  readonly version: Version;
  readonly deleted: boolean;
  readonly bytes: number;
  readonly metaLength: number;
  readonly metaCrc: number;
  readonly bodyLength: number;
  readonly bodyCrc: number;
  readonly headBytes: number;
  /** The copy failed its checksum and waits for repair. */
  readonly lost: boolean;
  /** Undefined when it lies in the log alone. */
  readonly meta: Buffer | undefined;
  /** Undefined when not at hand. */
  readonly body: Buffer | undefined;
  /** Where its record is; set when its group is on disk. */
  file: number;
  offset: number;
}

export function recordLength(state: RowState): number {
  return padded(state.headBytes + state.metaLength + state.bodyLength);
}

export function rowOf(sort: string, state: RowState, meta: Buffer): Row {
  return {
    sort,
    version: state.version,
    deleted: state.deleted,
    meta,
    bytes: state.bytes,
    bodyLength: state.bodyLength,
  };
}
