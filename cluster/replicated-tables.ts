/** `Tables` over replicas. */
import { Failure } from '#common';
import { type Row, type RowKey, scanRowsMax } from '#wire';
import type { Core } from './core.ts';
import { listRows } from './listing.ts';
import { keyOf, liveRow, nameOf } from './row-key.ts';
import { RowLocks } from './row-locks.ts';
import { RowReader } from './row-reader.ts';
import { decide, RowRegister } from './row-register.ts';
import { RowRepair } from './row-repair.ts';
import { RowWriter } from './row-writer.ts';
import { SettledScan } from './settled-scan.ts';
import type {
  ListPage,
  ListRequest,
  PartitionTotals,
  RowChange,
  RowRef,
  RowValue,
  StoredRow,
  Tables,
  UpdateOutcome,
  WriteOptions,
  WriteOutcome,
} from './tables.ts';
import { Totals } from './totals.ts';

export class ReplicatedTables implements Tables {
  readonly repair: RowRepair;
  private readonly core: Core;
  private readonly register: RowRegister;
  private readonly reader: RowReader;
  private readonly writer: RowWriter;
  private readonly scan: SettledScan;
  private readonly counts: Totals;
  private readonly locks: RowLocks;

  constructor(core: Core) {
    this.core = core;
    this.repair = new RowRepair(core);
    this.register = new RowRegister(core);
    this.reader = new RowReader(core, this.register, this.repair);
    this.writer = new RowWriter(core, this.register);
    this.scan = new SettledScan(core, this.reader, this.repair);
    this.counts = new Totals(core, (request) => this.scan.page(request));
    this.locks = new RowLocks(core.settings.updatesWaitingMax);
  }

  async get(ref: RowRef, want?: { readonly body?: boolean }): Promise<StoredRow | undefined> {
    return liveRow(await this.read(keyOf(this.core.hasher, ref), want?.body === true));
  }

  put(ref: RowRef, value: RowValue, options?: WriteOptions): Promise<WriteOutcome> {
    const key = keyOf(this.core.hasher, ref);
    return this.core.epochs.within(() => this.writer.write(key, value, options?.mode ?? 'strict'));
  }

  delete(ref: RowRef, options?: WriteOptions): Promise<WriteOutcome> {
    const key = keyOf(this.core.hasher, ref);
    const mode = options?.mode ?? 'strict';
    return this.core.epochs.within(() => this.writer.write(key, undefined, mode));
  }

  async update(
    ref: RowRef,
    change: RowChange,
    want?: { readonly body?: boolean },
  ): Promise<UpdateOutcome> {
    const key = keyOf(this.core.hasher, ref);
    return this.locks.within(nameOf(key), () => this.change(key, change, want?.body === true));
  }

  /**
   * A read comes first: where nothing is to change (a lease that is held, a condition that fails), it is all that is needed,
   * and no ballot disturbs the row.
   */
  private async change(key: RowKey, change: RowChange, body: boolean): Promise<UpdateOutcome> {
    const previous = liveRow(await this.read(key, body));
    const decided = decide(change, previous);
    if (decided.error !== undefined) throw decided.error.thrown;
    if (decided.value === 'keep') return { version: previous?.version, changed: false, previous };
    return this.core.epochs.within(() => this.register.update(key, change));
  }

  /** See `Cluster.renew`. */
  async renew(ref: RowRef, held: Row): Promise<void> {
    const key = keyOf(this.core.hasher, ref);
    await this.locks.within(nameOf(key), () =>
      this.core.epochs.within(() => this.register.renew(key, held)),
    );
  }

  async list(request: ListRequest): Promise<ListPage> {
    const { limit, table, partition } = request;
    if (!Number.isInteger(limit) || limit < 1 || limit > scanRowsMax)
      throw new Failure('invalid', 'bad-limit', 'A listing needs a limit within bounds', {
        facts: { limit, limitMax: scanRowsMax },
      });
    const hash = this.core.hasher.ofPartition(table, partition);
    const { epochs } = this.core;
    return listRows((scan) => epochs.within(() => this.scan.page(scan)), hash, request);
  }

  async totals(table: string, partition: string): Promise<PartitionTotals> {
    const hash = this.core.hasher.ofPartition(table, partition);
    return this.core.epochs.within(() => this.counts.of(table, partition, hash));
  }

  private read(key: RowKey, body: boolean): Promise<Row | undefined> {
    return this.core.epochs.within(() => this.reader.read(key, body));
  }
}
