/** A device seen through a filter: one small interface, wrapped. Faults are options of the filter, the device stays plain. */
import type {
  AcceptOutcome,
  Aggregate,
  BlobInfo,
  BlobKey,
  BlobWriteOptions,
  BlobWriter,
  DeviceService,
  DeviceStatus,
  Fence,
  PrepareOutcome,
  Row,
  RowKey,
  RowWrite,
  ScanPage,
  ScanRequest,
  SurveyReply,
  SurveyRequest,
  Version,
} from '#wire';

/** Runs one call of the inner device, sooner or later or not at all. */
export type Filter = <T>(method: string, run: () => Promise<T>) => Promise<T>;

export class FilteredDevice implements DeviceService {
  /** Rows read with their bodies, for tests about cost. */
  bodiesRead = 0;
  private readonly inner: DeviceService;
  private readonly through: Filter;

  constructor(inner: DeviceService, through: Filter) {
    this.inner = inner;
    this.through = through;
  }

  readRow(key: RowKey, want: { readonly body: boolean }): Promise<Row | undefined> {
    if (want.body) this.bodiesRead += 1;
    return this.through('readRow', () => this.inner.readRow(key, want));
  }
  acceptRow(write: RowWrite): Promise<AcceptOutcome> {
    return this.through('acceptRow', () => this.inner.acceptRow(write));
  }
  prepareRow(key: RowKey, ballot: Version): Promise<PrepareOutcome> {
    return this.through('prepareRow', () => this.inner.prepareRow(key, ballot));
  }
  scanRows(request: ScanRequest): Promise<ScanPage> {
    return this.through('scanRows', () => this.inner.scanRows(request));
  }
  aggregate(table: string, partition: string, hash: number): Promise<Aggregate> {
    return this.through('aggregate', () => this.inner.aggregate(table, partition, hash));
  }
  putBlob(key: BlobKey, chunks: readonly Buffer[], options: BlobWriteOptions): Promise<void> {
    return this.through('putBlob', () => this.inner.putBlob(key, chunks, options));
  }
  async openBlob(key: BlobKey, options: BlobWriteOptions): Promise<BlobWriter> {
    const writer = await this.through('openBlob', () => this.inner.openBlob(key, options));
    return {
      append: (chunks, onReleased) =>
        this.through('append', () => writer.append(chunks, onReleased)),
      commit: () => this.through('commit', () => writer.commit()),
      abort: () => writer.abort(),
    };
  }
  readBlob(key: BlobKey, offset: number, length: number): Promise<Buffer> {
    return this.through('readBlob', () => this.inner.readBlob(key, offset, length));
  }
  statBlob(key: BlobKey): Promise<BlobInfo | undefined> {
    return this.through('statBlob', () => this.inner.statBlob(key));
  }
  deleteBlob(key: BlobKey): Promise<void> {
    return this.through('deleteBlob', () => this.inner.deleteBlob(key));
  }
  listBlobs(request: {
    readonly after?: BlobKey;
    readonly limit: number;
  }): Promise<readonly BlobInfo[]> {
    return this.through('listBlobs', () => this.inner.listBlobs(request));
  }
  raiseFence(fence: Fence): Promise<number> {
    return this.through('raiseFence', () => this.inner.raiseFence(fence));
  }
  status(): Promise<DeviceStatus> {
    return this.through('status', () => this.inner.status());
  }
  survey(request: SurveyRequest): Promise<SurveyReply> {
    return this.through(`survey-${request.what}`, () => this.inner.survey(request));
  }
}
