/** `device.json`: whose device this folder is. */
import {
  type Disk,
  Failure,
  joinPath,
  type Random,
  randomHex,
  readWhole,
  replaceWhole,
} from '#common';

export const deviceFormat = 1;

export interface DeviceIdentity {
  /** 32 hexadecimal digits. */
  readonly device: string;
  /** The cluster's id, empty until one was given. */
  readonly cluster: string;
  /** Tells one disk in this device's place from the next; empty where none was given. */
  readonly mark: string;
}

export interface ExpectedIdentity {
  readonly device?: string;
  readonly cluster?: string;
  /** Another disk is one that was replaced: what it knows is out of date. */
  readonly mark?: string;
}

/** Reads the identity, or gives one to an empty folder. */
export async function ensureIdentity(
  disk: Disk,
  folder: string,
  how: {
    readonly expected: ExpectedIdentity;
    readonly random: Random;
    /** For an empty folder. */
    readonly newMark?: string | undefined;
  },
): Promise<DeviceIdentity> {
  const path = joinPath(folder, 'device.json');
  const { expected, random } = how;
  if (!(await disk.exists(path))) {
    const device = expected.device ?? randomHex(random, 16);
    const identity = { device, cluster: expected.cluster ?? '', mark: how.newMark ?? '' };
    const { mark, ...named } = identity;
    const written = { format: deviceFormat, ...named, ...(mark === '' ? {} : { mark }) };
    const text = JSON.stringify(written, undefined, 2);
    await replaceWhole(disk, path, Buffer.from(`${text}\n`));
    return identity;
  }
  const identity = parseIdentity(path, await readWhole(disk, path, 64 * 1024));
  refuseOther(path, 'device', identity.device, expected.device);
  if (identity.cluster !== '') refuseOther(path, 'cluster', identity.cluster, expected.cluster);
  if (expected.mark !== undefined && identity.mark !== expected.mark)
    throw new Failure(
      'conflict',
      'older-disk',
      'Another disk has stood in the place of this one since: empty it, and it is refilled',
      { facts: { path } },
    );
  return identity;
}

function refuseOther(path: string, what: string, found: string, expected?: string): void {
  if (expected === undefined || expected === found) return;
  throw new Failure('conflict', 'other-device', `The folder belongs to another ${what}`, {
    facts: { path, found, expected },
  });
}

function parseIdentity(path: string, bytes: Buffer): DeviceIdentity {
  const unreadable = (cause?: unknown) =>
    new Failure('corrupt', 'device-file-corrupt', 'The device file cannot be read', {
      facts: { path },
      cause,
    });
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString());
  } catch (error) {
    throw unreadable(error);
  }
  if (typeof parsed !== 'object' || parsed === null) throw unreadable();
  const { format, device, cluster, mark } = {
    ...{ format: 0, device: '', cluster: '', mark: '' },
    ...parsed,
  };
  if (Number.isInteger(format) && format > deviceFormat) {
    throw new Failure('invalid', 'newer-format', 'The device was written by a newer version', {
      facts: { path, format, known: deviceFormat },
    });
  }
  if (
    format !== deviceFormat ||
    !/^[0-9a-f]{32}$/.test(device) ||
    typeof cluster !== 'string' ||
    typeof mark !== 'string'
  )
    throw unreadable();
  return { device, cluster, mark };
}
