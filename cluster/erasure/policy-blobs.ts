/** Blobs of both kinds: whoever writes says how, and whoever reads is told by the id. */
import type { Fence } from '#wire';
import type { BlobOptions, BlobRef, Blobs, ClusterBlobWriter } from '../blobs.ts';
import { stemDigits } from './code.ts';

export class PolicyBlobs implements Blobs {
  private readonly replicated: Blobs;
  private readonly coded: Omit<Blobs, 'raiseFence'>;

  constructor(replicated: Blobs, coded: Omit<Blobs, 'raiseFence'>) {
    this.replicated = replicated;
    this.coded = coded;
  }

  put(chunks: readonly Buffer[], options: BlobOptions = {}): Promise<BlobRef> {
    return this.for(options).put(chunks, options);
  }

  open(options: BlobOptions = {}): Promise<ClusterBlobWriter> {
    return this.for(options).open(options);
  }

  read(id: string, offset: number, length: number): Promise<Buffer> {
    return this.of(id).read(id, offset, length);
  }

  stream(id: string, offset: number, length: number, blobLength?: number): AsyncIterable<Buffer> {
    return this.of(id).stream(id, offset, length, blobLength);
  }

  stat(id: string): Promise<BlobRef | undefined> {
    return this.of(id).stat(id);
  }

  delete(id: string): Promise<void> {
    return this.of(id).delete(id);
  }

  raiseFence(fence: Fence): Promise<void> {
    return this.replicated.raiseFence(fence);
  }

  private for({ code }: BlobOptions): Omit<Blobs, 'raiseFence'> {
    return code === undefined ? this.replicated : this.coded;
  }

  private of(id: string): Omit<Blobs, 'raiseFence'> {
    return id.length === stemDigits ? this.replicated : this.coded;
  }
}
