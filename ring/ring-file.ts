/**
 * The ring file: Swift's `.ring.gz`, version 1, both ways. Bytes in, ring out; `docs/formats/ring-file.md` has
 * the byte table.
 */
import { endianness } from 'node:os';
import { gunzipSync, gzipSync } from 'node:zlib';
import { Failure } from '#common';
import { asRecord, parseDevice, type RingDevice, whole } from './device.ts';
import { deviceIdMax, headerBytesMax, partPowerMax, replicasMax, slotsMax } from './limits.ts';
import { Ring } from './placement.ts';

const magic = 'R1NG';
const formatVersion = 1;
/** Magic, version and header length. */
const preambleBytes = 10;

export type ByteOrder = 'little' | 'big';

/** The file's bytes. The same ring gives the same bytes; `byteOrder` is that of the machine unless told. */
export function encodeRingFile(ring: Ring, byteOrder: ByteOrder = machineOrder): Buffer {
  const header = Buffer.from(pythonJson(headerOf(ring, byteOrder)), 'ascii');
  const preamble = Buffer.alloc(preambleBytes);
  preamble.write(magic, 'ascii');
  preamble.writeUInt16BE(formatVersion, 4);
  preamble.writeUInt32BE(header.length, 6);
  const rows = ring.rows.map((row) => {
    const bytes = Buffer.from(row.buffer, row.byteOffset, row.byteLength);
    return byteOrder === machineOrder ? bytes : Buffer.from(bytes).swap16();
  });
  return gzipSync(Buffer.concat([preamble, header, ...rows]), { level: 6 });
}

/** Reads what `encodeRingFile`, or Swift, wrote. Anything else is a `corrupt` failure. */
export function decodeRingFile(file: Uint8Array): Ring {
  const raw = unpack(file);
  if (raw.length < preambleBytes || raw.toString('latin1', 0, 4) !== magic) {
    throw corrupt('This is not a ring file: it does not begin with R1NG');
  }
  const version = raw.readUInt16BE(4);
  if (version !== formatVersion) {
    throw new Failure('invalid', 'ring-file-version', 'Ring files of this version are not read', {
      facts: { version, readable: formatVersion },
    });
  }
  const headerBytes = raw.readUInt32BE(6);
  const rowsStart = preambleBytes + headerBytes;
  if (headerBytes > headerBytesMax || rowsStart > raw.length) {
    throw corrupt('The header of the ring file is cut short', { headerBytes });
  }
  return readRows(parseHeader(raw.subarray(preambleBytes, rowsStart)), raw.subarray(rowsStart));
}

const machineOrder: ByteOrder = endianness() === 'LE' ? 'little' : 'big';

interface Header {
  readonly devices: readonly (RingDevice | undefined)[];
  readonly partPower: number;
  readonly rowCount: number;
  readonly byteOrder: ByteOrder;
  readonly version: number | undefined;
  readonly nextPartPower: number | undefined;
}

function unpack(file: Uint8Array): Buffer {
  const maxOutputLength = slotsMax * 2 + headerBytesMax + preambleBytes;
  try {
    return gunzipSync(file, { maxOutputLength });
  } catch (cause) {
    throw new Failure('corrupt', 'bad-ring-file', 'The ring file cannot be unpacked', { cause });
  }
}

function parseHeader(bytes: Buffer): Header {
  let document: unknown;
  try {
    document = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw new Failure('corrupt', 'bad-ring-file', 'The header of the ring file is not JSON', {
      cause,
    });
  }
  const row = asRecord(document, 'header');
  const byteOrder = row.byteorder ?? machineOrder;
  if (byteOrder !== 'little' && byteOrder !== 'big') throw corrupt('Unknown byte order');
  const partShift = whole(row, 'part_shift', 'header', 32);
  if (partShift < 32 - partPowerMax) throw corrupt('The part power is too large', { partShift });
  return {
    devices: parseDevices(row.devs),
    partPower: 32 - partShift,
    rowCount: whole(row, 'replica_count', 'header', replicasMax),
    byteOrder,
    version: optional(row, 'version', Number.MAX_SAFE_INTEGER),
    nextPartPower: optional(row, 'next_part_power', 32),
  };
}

function optional(row: Readonly<Record<string, unknown>>, name: string, max: number) {
  return row[name] == null ? undefined : whole(row, name, 'header', max);
}

function parseDevices(value: unknown): (RingDevice | undefined)[] {
  if (!Array.isArray(value)) throw corrupt('The ring file has no list of devices');
  if (value.length > deviceIdMax + 1) throw corrupt('The ring file has too many devices');
  return value.map((entry, index) =>
    entry === null ? undefined : parseDevice(entry, `devs[${index}]`),
  );
}

/** All rows are full but the last, which takes what is left. */
function readRows(header: Header, bytes: Buffer): Ring {
  const rowBytes = 2 ** header.partPower * 2;
  const longest = rowBytes * header.rowCount;
  const shortest = longest - rowBytes;
  if (bytes.length <= shortest || bytes.length > longest || bytes.length % 2 === 1) {
    throw corrupt('The ring file has not as many assignments as its header tells', {
      bytes: bytes.length,
      expected: longest,
    });
  }
  const rows = Array.from({ length: header.rowCount }, (_, index) => {
    // A copy: rows are shared as 16-bit arrays, which must begin at an even address.
    const row = Buffer.from(bytes.subarray(index * rowBytes, (index + 1) * rowBytes));
    if (header.byteOrder !== machineOrder) row.swap16();
    const copy = new Uint16Array(row.length / 2);
    new Uint8Array(copy.buffer).set(row);
    return copy;
  });
  const { partPower, devices, version, nextPartPower } = header;
  return new Ring({ partPower, devices, rows, version, nextPartPower });
}

function headerOf(ring: Ring, byteOrder: ByteOrder): Json {
  return {
    byteorder: byteOrder,
    devs: ring.devices.map((device) => (device === undefined ? null : deviceJson(device))),
    ...(ring.nextPartPower === undefined ? {} : { next_part_power: ring.nextPartPower }),
    part_shift: 32 - ring.partPower,
    replica_count: ring.rows.length,
    ...(ring.version === undefined ? {} : { version: ring.version }),
  };
}

function deviceJson(device: RingDevice): Json {
  return {
    device: device.device,
    id: device.id,
    ip: device.ip,
    meta: device.meta,
    port: device.port,
    region: device.region,
    replication_ip: device.replicationIp,
    replication_port: device.replicationPort,
    weight: new Float(device.weight),
    zone: device.zone,
  };
}

/** A number that is written with its decimal point even when whole. */
class Float {
  readonly value: number;
  constructor(value: number) {
    this.value = value;
  }
}

type Json = null | string | number | Float | readonly Json[] | { readonly [name: string]: Json };

/** JSON the way Swift writes it (keys sorted, ASCII only, a space after comma and colon), so that files compare. */
function pythonJson(value: Json): string {
  if (value === null || typeof value === 'number') return String(value);
  if (typeof value === 'string') return asciiString(value);
  if (value instanceof Float) {
    return Number.isInteger(value.value) ? value.value.toFixed(1) : String(value.value);
  }
  if (isList(value)) return `[${value.map(pythonJson).join(', ')}]`;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([name, one]) => `${asciiString(name)}: ${pythonJson(one)}`).join(', ')}}`;
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function asciiString(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function corrupt(message: string, facts: Record<string, number> = {}): Failure {
  return new Failure('corrupt', 'bad-ring-file', message, { facts });
}
