/** A backup store in memory. */
import { Failure } from '#common';
import type { BackupStore } from '../volumes/backup-types.ts';

export class MemoryBackups implements BackupStore {
  readonly objects = new Map<string, Buffer>();

  async put(name: string, chunks: readonly Buffer[]): Promise<void> {
    this.objects.set(name, Buffer.concat(chunks));
  }

  async get(name: string): Promise<Buffer> {
    const found = this.objects.get(name);
    if (found !== undefined) return found;
    throw new Failure('missing', 'object-missing', 'There is no such object', { facts: { name } });
  }

  async delete(name: string): Promise<void> {
    this.objects.delete(name);
  }
}
