/** What was done since the start, for metrics and status. */
export class Tally {
  rows = 0;
  blobs = 0;
  bytes = 0;
  /** Of them, what was brought to devices that are being given partitions. */
  movedBytes = 0;
  handedBack = 0;
  /** Fragments made anew from others. */
  rebuilt = 0;
  /** Bad copies that a good one replaced. */
  healed = 0;
  scrubbedBytes = 0;
  scrubbedRecords = 0;
  foundBad = 0;
  freedBlobs = 0;
  /** Of all copies. */
  freedBytes = 0;
  forgottenRows = 0;

  copied(what: 'row' | 'blob', bytes: number): void {
    if (what === 'row') this.rows += 1;
    else this.blobs += 1;
    this.bytes += bytes;
  }
}
