/**
 * The index as the store sees it: an ordered map of text to text, derived from the log and so allowed to forget.
 * Keys are ordered by their UTF-8 bytes. A crash may lose batches, last ones first; the chain of batch numbers
 * (`keys.ts`) finds out when it lost any other.
 */
export interface IndexRange {
  /** Inclusive unless `afterFrom`. */
  readonly from: string;
  readonly afterFrom?: boolean;
  /** Exclusive unless `throughUntil`. */
  readonly until: string;
  readonly throughUntil?: boolean;
  readonly reverse?: boolean;
  readonly limit: number;
  /** Ends early once keys and values exceed about this much. */
  readonly bytesMax?: number;
}

export type IndexEntry = readonly [key: string, value: string];

export interface IndexPage {
  /** Empty when they were taken on the way. */
  readonly entries: readonly IndexEntry[];
  readonly beside: string | undefined;
  /** It ended early because of `bytesMax`. */
  readonly cut: boolean;
}

export type TakeEntries = (entries: readonly IndexEntry[]) => void;

/** Values to put, or undefined to delete; applied whole or not at all. */
export type IndexBatch = ReadonlyMap<string, string | undefined>;

export interface IndexStore {
  get(key: string): string | undefined;
  /**
   * The entries of the range and, at the same instant, the value of `beside`. `take` is handed some at a time, so that the texts
   * of a long scan are garbage while they are still young.
   */
  scan(range: IndexRange, beside?: string, take?: TakeEntries): Promise<IndexPage>;
  apply(batch: IndexBatch): Promise<void>;
  /** After it, everything applied before survives a power loss. */
  flush(): Promise<void>;
  /** Opens anew after an engine error that sticks. */
  reopen(): Promise<void>;
  close(): Promise<void>;
}

/** Where an index is kept: how to open it and how to be rid of it. */
export interface IndexPlace {
  /** `corrupt` when what is there cannot be used, `conflict` device-in-use when another process has it. */
  open(): Promise<IndexStore>;
  wipe(): Promise<void>;
}
