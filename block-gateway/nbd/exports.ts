/** What the NBD server offers, as it is handed in. */

export interface NbdDevice {
  readonly sizeBytes: number;
  readNow(offset: number, length: number, target: Buffer, at: number): boolean;
  read(offset: number, length: number, target: Buffer, at: number): Promise<void>;
  writeNow(offset: number, source: Buffer, from: number, length: number): boolean;
  write(offset: number, source: Buffer, from: number, length: number): Promise<void>;
  zeroNow(offset: number, length: number): boolean;
  zero(offset: number, length: number): Promise<void>;
  flush(): Promise<void>;
  prefetch(offset: number, length: number): void;
  isHole(offset: number, length: number): boolean;
  allocation(
    offset: number,
    length: number,
    runsMax: number,
  ): readonly { readonly bytes: number; readonly hole: boolean }[];
}

export interface NbdAttachment {
  readonly device: NbdDevice;
  /** Once, when the connection has ended. */
  release(): void;
}

export interface NbdExports {
  /** The size of an export that exists; undefined when there is none of this name. */
  sizeOf(name: string): Promise<number | undefined>;
  /** Opens it; fails `missing` when there is none. */
  attach(name: string): Promise<NbdAttachment>;
  /** Names to tell who asks; undefined when that is not allowed. */
  list(): Promise<readonly string[]> | undefined;
}
