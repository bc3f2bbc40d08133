/** Where volume backups go: a folder of this machine, or a container of the object store. */
import * as fs from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { type BackupStore, backupObjectBytesMax } from '#block-gateway';
import { Failure, isFailure, systemDisk } from '#common';
import type { Container, ObjectService } from '#proxy';

export function folderBackups(root: string): BackupStore {
  const pathOf = (name: string) => {
    const path = resolve(root, name);
    if (path.startsWith(resolve(root) + sep)) return path;
    throw new Failure('invalid', 'bad-backup', 'A backup name leads out of its folder');
  };
  return {
    async put(name, chunks) {
      const path = pathOf(name);
      await systemDisk.makeDirectory(dirname(path));
      const partial = `${path}.partial`;
      // What an attempt that was cut off left.
      if (await systemDisk.exists(partial)) await systemDisk.remove(partial);
      const file = await systemDisk.open(partial, 'create');
      try {
        await file.write(chunks, 0);
        await file.sync();
      } finally {
        await file.close();
      }
      await systemDisk.rename(partial, path);
      await systemDisk.syncDirectory(dirname(path));
    },
    async get(name) {
      const path = pathOf(name);
      if (!fs.existsSync(path)) throw missing(name);
      const { size } = await fs.promises.stat(path);
      if (size > backupObjectBytesMax) throw tooLarge(name);
      return await fs.promises.readFile(path);
    },
    async delete(name) {
      await fs.promises.rm(pathOf(name), { force: true });
    },
  };
}

/** Objects `<prefix><name>` of a container. */
export function containerBackups(
  objects: ObjectService,
  container: Container,
  prefix = '',
): BackupStore {
  const refOf = (name: string) => ({ container, name: join(prefix, name) });
  return {
    async put(name, chunks) {
      const body = Buffer.concat(chunks);
      await objects.objects.put({ ...refOf(name), body, length: body.length });
    },
    async get(name) {
      const object = await objects.objects.get(refOf(name));
      if (object.info.size > backupObjectBytesMax) throw tooLarge(name);
      const pieces: Buffer[] = [];
      for await (const piece of object.read(0, object.info.size)) pieces.push(piece);
      return Buffer.concat(pieces);
    },
    async delete(name) {
      try {
        await objects.objects.delete(refOf(name));
      } catch (error) {
        if (!isFailure(error, 'missing')) throw error;
      }
    },
  };
}

function missing(name: string): Failure {
  return new Failure('missing', 'backup-missing', 'The backup store has no such object', {
    facts: { name },
  });
}

function tooLarge(name: string): Failure {
  return new Failure('corrupt', 'backup-too-large', 'An object is too large for a backup', {
    facts: { name },
  });
}
