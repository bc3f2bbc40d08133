/**
 * What the compute service asks of a hypervisor on one host. `driver.contract.ts` is the exam that every driver passes.
 *
 * Calls may be repeated: whoever was killed half-way calls again, and finds made what is made and gone what is gone.
 */
import type { Duplex } from 'node:stream';

export interface GuestDisk {
  /** The attachment's id: what it is unplugged by. */
  readonly id: string;
  /** `vda`: its place. */
  readonly device: string;
  /** Lower boots earlier; undefined never. */
  readonly bootIndex: number | undefined;
  readonly socketPath: string;
  /** Worth a password. */
  readonly exportName: string;
  readonly readOnly: boolean;
  /** What the guest sees as the disk's serial number. */
  readonly serial: string;
}

export interface GuestPort {
  readonly id: string;
  readonly macAddress: string;
  readonly mtu: number;
  readonly tap: string;
  /** Whether checksums may be left to the other end. */
  readonly vnetHeader: boolean;
  /** What the hypervisor's command must begin with, to be where the tap is; the same for all ports of a host. */
  readonly enter: readonly string[];
}

export interface GuestSpec {
  readonly id: string;
  readonly name: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly disks: readonly GuestDisk[];
  readonly ports: readonly GuestPort[];
  /** An ISO 9660 image for the guest to read its configuration from. */
  readonly configDrive: Buffer | undefined;
  /** Where a running guest has its devices, which must be the same where it goes on. */
  readonly places?: Places;
}

/** The hypervisor's name for a device → its word for the device's place. */
export type Places = Readonly<Record<string, string>>;

export interface MoveProgress {
  readonly totalBytes: number;
  readonly doneBytes: number;
  readonly leftBytes: number;
}

/** How a guest leaves while it runs. */
export interface Sending {
  readonly signal: AbortSignal;
  progress(now: MoveProgress): void;
}

export type GuestPower = 'running' | 'paused' | 'off';

export interface GuestState {
  readonly id: string;
  readonly power: GuestPower;
}

export interface HostFacts {
  readonly type: string;
  /** `7.2.9` as 7002009. */
  readonly version: number;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly cpu: {
    readonly arch: string;
    readonly vendor: string;
    readonly model: string;
    readonly accelerator: string;
  };
  /** Why no guest can be started here now, and what to do about it. */
  readonly problem?: string;
}

export interface Diagnostics {
  readonly state: GuestPower;
  readonly uptimeS: number;
  readonly cpuTimesNs: readonly number[];
  readonly memoryMaxMib: number;
  readonly memoryUsedMib: number;
  readonly disks: readonly {
    readonly readBytes: number;
    readonly readRequests: number;
    readonly writeBytes: number;
    readonly writeRequests: number;
    readonly errors: number;
  }[];
}

export interface Hypervisor {
  facts(): Promise<HostFacts>;
  /** Every guest that anything is left of here. */
  list(): Promise<readonly GuestState[]>;
  /** `off` also for what is not known here. */
  power(id: string): Promise<GuestPower>;
  /** Runs afterwards; one that runs already is left as it is, also when it was made from another specification. */
  start(spec: GuestSpec, signal: AbortSignal): Promise<void>;
  /** Asks the guest to power itself off, and after `graceMs` takes its power away. */
  stop(id: string, options: { readonly graceMs: number }): Promise<void>;
  /** Asks the guest to restart itself; whether it does is the guest's business. */
  askReboot(id: string): Promise<void>;
  pause(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  /** Keeps its memory on disk, and ends it. */
  suspend(id: string, signal: AbortSignal): Promise<void>;
  /** Goes on where `suspend` ended it. */
  wake(spec: GuestSpec, signal: AbortSignal): Promise<void>;
  places(id: string): Promise<Places>;
  /** Begins a guest that stands still and waits for the memory of its running twin, to be written into what is returned. */
  receive(spec: GuestSpec, before: { readonly console: Buffer }): Promise<Duplex>;
  /** Resolves when all of it is there, fails `conflict` when it never will be; the guest stands still until `resume`, and writes nothing before. */
  received(id: string, signal: AbortSignal): Promise<void>;
  /**
   * Copies the memory of a guest that runs meanwhile, and stops it for the last of it. When this resolves it stands still, everything it
   * has written is flushed, and it writes no more; when it fails, the guest goes on here.
   */
  send(id: string, to: Duplex, sending: Sending): Promise<void>;
  /** Whether everything of it has gone to another host. */
  hasGone(id: string): Promise<boolean>;
  /** Ends it at once, and forgets it: nothing of it is left on this host. */
  remove(id: string): Promise<void>;
  plugDisk(id: string, disk: GuestDisk): Promise<void>;
  /** Resolves when the guest has let it go; fails `busy` when it does not. */
  unplugDisk(id: string, diskId: string, signal: AbortSignal): Promise<void>;
  resizeDisk(id: string, diskId: string, sizeBytes: number): Promise<void>;
  plugPort(id: string, port: GuestPort): Promise<void>;
  unplugPort(id: string, portId: string, signal: AbortSignal): Promise<void>;
  /** The last `bytesMax` of what the guest has printed on its serial console. */
  consoleLog(id: string, bytesMax: number): Promise<Buffer>;
  /** Its screen (RFB) or its serial line; `conflict` while it is off. */
  open(id: string, what: 'screen' | 'serial'): Promise<Duplex>;
  diagnostics(id: string): Promise<Diagnostics>;
  /** A non-maskable interrupt, for a guest that should dump its core. */
  interrupt(id: string): Promise<void>;
  /** Hears of guests that end by themselves. Returns how to stop hearing. */
  watch(listener: (state: GuestState) => void): () => void;
  /** Lets go of the guests, which run on. */
  close(): Promise<void>;
}
