/** What the NBD server offers, as it is handed in. */

/** A run of bytes and what a context says of it. */
export interface StatusRun {
  readonly bytes: number;
  readonly flags: number;
}

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

/** What is known of who asks, before any export is opened. */
export interface NbdClient {
  /** Connected through a unix socket, which the file system guards. */
  readonly local: boolean;
  readonly tls: boolean;
  /** The identity whose pre-shared key the client had. */
  readonly identity?: string;
  /** The subject of a client certificate that the authority has signed. */
  readonly subject?: string;
  /** The compute host that comes this way: it reaches the disks of its own guests and nothing else. */
  readonly host?: string;
}

export interface NbdExportInfo {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** Meta contexts beside `base:allocation`. */
  readonly contexts: readonly string[];
}

export interface NbdAttachment {
  readonly device: NbdDevice;
  readonly readOnly: boolean;
  /** What a chosen context says of a range, in order from its beginning, at most `runsMax` runs. */
  status(context: string, offset: number, length: number, runsMax: number): readonly StatusRun[];
  /** Once, when the connection has ended. */
  release(): void;
}

export interface AttachOptions {
  readonly client: NbdClient;
  /** The contexts chosen beside `base:allocation`. */
  readonly contexts: readonly string[];
  /** Ends the connection from this side. */
  readonly cut: () => void;
}

export interface NbdExports {
  /** What an export is, to who may open it; undefined when there is none of this name. */
  find(name: string, client: NbdClient): Promise<NbdExportInfo | undefined>;
  /** Opens it; fails `missing` when there is none. */
  attach(name: string, options: AttachOptions): Promise<NbdAttachment>;
  /** Names to tell who asks; undefined when that is not allowed. */
  list(client: NbdClient): Promise<readonly string[]> | undefined;
}
