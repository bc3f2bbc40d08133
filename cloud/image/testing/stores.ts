/** Content and volumes in memory, which outlive the process that a test pretends to kill. */
import { createHash } from 'node:crypto';
import { Failure } from '#common';
import type { ContentStore, ImageVolumes, UserObjects } from '../content/interfaces.ts';

/** Called before each effect, so that tests can stop there. */
export type Hook = (what: 'put' | 'open' | 'delete' | 'volume', name: string) => Promise<void>;

export function memoryStore(files: Map<string, Buffer>, hook: Hook): ContentStore {
  return {
    put: async (name, body) => {
      const chunks: Buffer[] = [];
      for await (const chunk of body) chunks.push(Buffer.from(chunk));
      const whole = Buffer.concat(chunks);
      await hook('put', name);
      files.set(name, whole);
      return { md5: createHash('md5').update(whole).digest('hex') };
    },
    open: async (name) => {
      await hook('open', name);
      const file = files.get(name);
      if (file === undefined)
        throw new Failure('missing', 'object-missing', 'There is no such file');
      return {
        sizeBytes: file.length,
        read: async function* (offset, length) {
          yield file.subarray(offset, offset + length);
        },
      };
    },
    delete: async (name) => {
      await hook('delete', name);
      files.delete(name);
    },
  };
}

export function memoryVolumes(volumes: Map<string, Buffer>, hook: Hook): ImageVolumes {
  return {
    ensure: async ({ id, bytes }) => {
      const chunks: Buffer[] = [];
      for await (const chunk of bytes) chunks.push(chunk);
      await hook('volume', id);
      volumes.set(id, Buffer.concat(chunks));
      return id;
    },
    clone: async (id, { volume }) => {
      volumes.set(id, volumes.get(volume) ?? Buffer.alloc(0));
      return id;
    },
    open: async (id) => {
      const bytes = volumes.get(id) ?? Buffer.alloc(0);
      return {
        sizeBytes: bytes.length,
        read: async function* (offset, length) {
          yield bytes.subarray(offset, offset + length);
        },
      };
    },
    delete: async (id) => {
      volumes.delete(id);
    },
  };
}

/** One object, `swift://box/disk`, that everybody may read; lending it is one map entry of the same bytes. */
export function memoryObjects(bytes: Buffer, files: Map<string, Buffer>): UserObjects {
  return {
    find: async (uri) =>
      uri === 'swift://box/disk'
        ? {
            ...{ account: 'a', container: 'box', object: 'disk' },
            etag: 'e',
            sizeBytes: bytes.length,
          }
        : undefined,
    share: async (_source, name) => {
      files.set(name, bytes);
      return true;
    },
    open: async () => ({
      sizeBytes: bytes.length,
      read: async function* (offset, length) {
        yield bytes.subarray(offset, offset + length);
      },
    }),
  };
}
