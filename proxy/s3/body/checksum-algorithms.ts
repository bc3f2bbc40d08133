/** The additional checksums of S3: CRC32, CRC32C, CRC64NVME, SHA1 and SHA256, computed piece by piece. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { crc32c } from '@node-rs/crc32';
import { createCRC64, type IHasher } from 'hash-wasm';

export const checksumAlgorithms = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'] as const;
export type ChecksumAlgorithm = (typeof checksumAlgorithms)[number];

/** Bytes of each digest. */
export const checksumBytes: Readonly<Record<ChecksumAlgorithm, number>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
};

export interface RunningChecksum {
  update(data: Buffer): void;
  digest(): Buffer;
}

export function isChecksumAlgorithm(word: string): word is ChecksumAlgorithm {
  return checksumAlgorithms.some((name) => name === word);
}

/** What an object gets whose client sends no checksum. */
export function fallbackAlgorithm(setting: 'crc64nvme' | 'none'): ChecksumAlgorithm | undefined {
  return setting === 'none' ? undefined : setting;
}

export async function startChecksum(algorithm: ChecksumAlgorithm): Promise<RunningChecksum> {
  return algorithm === 'crc64nvme' ? runningCrc64(await crc64Engine()) : startSimple(algorithm);
}

/** Every algorithm but the one whose engine is loaded on demand. */
export function startSimple(algorithm: Exclude<ChecksumAlgorithm, 'crc64nvme'>): RunningChecksum {
  switch (algorithm) {
    case 'crc32':
      return runningCrc((data, state) => crc32(data, state));
    case 'crc32c':
      return runningCrc((data, state) => crc32c(data, state));
    case 'sha1':
    case 'sha256': {
      const digest = createHash(algorithm);
      return { update: (data) => void digest.update(data), digest: () => digest.digest() };
    }
  }
}

function runningCrc(step: (data: Buffer, state: number) => number): RunningChecksum {
  let state = 0;
  return {
    update: (data) => {
      state = step(data, state);
    },
    digest: () => {
      const out = Buffer.alloc(4);
      out.writeUInt32BE(state >>> 0);
      return out;
    },
  };
}

// The NVME polynomial 0xAD93D23594C93659, bit-reversed as this engine wants it.
const nvmePolynomial = '9a6c9329ac4bc9b5';
let engine: Promise<IHasher> | undefined;

function crc64Engine(): Promise<IHasher> {
  engine ??= createCRC64(nvmePolynomial);
  return engine;
}

interface Held {
  state: Uint8Array | undefined;
}

/** Whose state the engine is in. */
let held: Held | undefined;

/**
 * One engine serves every body. Its state is taken out only when another body comes between two pieces: taking it out and putting it back
 * costs as much as 2 KiB.
 */
function runningCrc64(shared: IHasher): RunningChecksum {
  const own: Held = { state: undefined };
  let digest: Buffer | undefined;
  const hold = () => {
    if (held === own) return;
    if (held !== undefined) held.state = shared.save();
    held = own;
    if (own.state === undefined) shared.init();
    else shared.load(own.state);
  };
  return {
    update: (data) => {
      hold();
      shared.update(data);
    },
    digest: () => {
      if (digest !== undefined) return digest;
      hold();
      held = undefined;
      digest = Buffer.from(shared.digest('hex'), 'hex');
      return digest;
    },
  };
}
