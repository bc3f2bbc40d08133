/** Volumes as NBD exports: named by their id. */
import { isFailure } from '#common';
import type { NbdExports } from '../nbd/exports.ts';
import type { Volumes } from './volumes.ts';

export function volumeExports(
  volumes: Volumes,
  options: {
    /** Whether clients may list the volumes, and of which project. */
    readonly listProject?: string;
  } = {},
): NbdExports {
  return {
    async sizeOf(name) {
      try {
        return (await volumes.get(name)).sizeBytes;
      } catch (error) {
        if (isFailure(error, 'missing')) return undefined;
        throw error;
      }
    },
    async attach(name) {
      const { volume, release } = await volumes.open(name);
      return { device: volume, release };
    },
    list() {
      const { listProject } = options;
      if (listProject === undefined) return undefined;
      return volumes.list(listProject).then(({ entries }) => entries.map((entry) => entry.id));
    },
  };
}
