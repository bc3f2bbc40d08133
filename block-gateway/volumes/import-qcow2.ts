/** Converts a qcow2 file into a volume: `qemu-img` writes to it through an NBD server that is there for this one client. */
import { tmpdir } from 'node:os';
import {
  type Clock,
  joinPath,
  type Logger,
  type Net,
  type Random,
  randomHex,
  systemNet,
} from '#common';
import { createNbdServer } from '../nbd/server.ts';
import type { BlockGatewaySettings } from '../settings.ts';
import { missingVolume } from '../volume/head-row.ts';
import type { Volume } from '../volume/volume.ts';
import { convertImage } from './image-file.ts';

export interface ImportOptions {
  readonly settings: BlockGatewaySettings;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: Random;
  readonly net?: Net;
}

export async function importQcow2(
  options: ImportOptions,
  volume: Volume,
  file: string,
): Promise<void> {
  const { settings, net = systemNet } = options;
  // The name can't be guessed, and a path under the data folder may be too long for a socket.
  const name = randomHex(options.random, 16);
  const path = joinPath(tmpdir(), `pileus-import-${name}.sock`);
  const server = createNbdServer({
    ...options,
    net,
    exports: {
      find: async (asked) =>
        asked === name ? { sizeBytes: volume.sizeBytes, readOnly: false, contexts: [] } : undefined,
      attach: async (asked) => {
        if (asked !== name) throw missingVolume(asked);
        return { device: volume, readOnly: false, status: () => [], release: () => {} };
      },
      list: () => undefined,
    },
  });
  await server.listen({ path });
  try {
    await convertImage(file, `nbd+unix:///${name}?socket=${path}`, settings);
  } finally {
    await server.close();
  }
}
