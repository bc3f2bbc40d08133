import { readFileSync } from 'node:fs';
import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isFailure } from '#common';
import golden from './golden/swift.json' with { type: 'json' };
import { type ByteOrder, decodeRingFile, encodeRingFile, Ring } from './index.ts';
import { anyRing } from './testing.ts';

const goldenFile = (order: ByteOrder): Buffer =>
  readFileSync(new URL(`golden/swift-${order}.ring.gz`, import.meta.url));

function failureOf(work: () => unknown): { kind: string; code: string } {
  try {
    work();
  } catch (error) {
    if (isFailure(error)) return { kind: error.kind, code: error.code };
    throw error;
  }
  return { kind: 'none', code: 'none' };
}

/** A file with these pieces, whether they fit together or not. */
function forge(header: unknown, rows: Buffer, version = 1): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const preamble = Buffer.alloc(10);
  preamble.write('R1NG');
  preamble.writeUInt16BE(version, 4);
  preamble.writeUInt32BE(text.length, 6);
  return gzipSync(Buffer.concat([preamble, text, rows]));
}

describe.each<ByteOrder>(['little', 'big'])(
  'the golden file of the real Swift, %s-endian',
  (order) => {
    test('opens with its devices, holes and assignments', () => {
      const ring = decodeRingFile(goldenFile(order));
      expect(ring.partPower).toBe(golden.part_power);
      expect(ring.version).toBe(golden.version);
      expect(ring.replicaCount).toBe(2.5);
      expect(ring.rows.map((row) => [...row])).toEqual(golden.rows);
      const devices = ring.devices.map((device) =>
        device === undefined
          ? null
          : {
              device: device.device,
              id: device.id,
              ip: device.ip,
              meta: device.meta,
              port: device.port,
              region: device.region,
              replication_ip: device.replicationIp,
              replication_port: device.replicationPort,
              weight: device.weight,
              zone: device.zone,
            },
      );
      expect(devices).toEqual(golden.devices);
    });

    test('is written again byte for byte', () => {
      const again = encodeRingFile(decodeRingFile(goldenFile(order)), order);
      expect(gunzipSync(again).equals(gunzipSync(goldenFile(order)))).toBe(true);
    });
  },
);

test('any ring survives writing and reading, in either byte order', () => {
  fc.assert(
    fc.property(anyRing, fc.constantFrom<ByteOrder>('little', 'big'), (ring, order) => {
      const again = decodeRingFile(encodeRingFile(ring, order));
      expect(again.rows).toEqual(ring.rows);
      expect(again.devices).toEqual(ring.devices);
      expect(again.version).toBe(ring.version);
      expect(again.nextPartPower).toBe(ring.nextPartPower);
    }),
    { numRuns: 60 },
  );
});

test('the next part power is kept', () => {
  const ring = decodeRingFile(goldenFile('little'));
  const { partPower, devices, rows, version } = ring;
  const growing = new Ring({ partPower, devices, rows, version, nextPartPower: 5 });
  expect(decodeRingFile(encodeRingFile(growing)).nextPartPower).toBe(5);
});

describe('what is refused', () => {
  const device = { id: 0, region: 1, zone: 1, ip: 'a', port: 1, device: 'd', weight: 1 };
  const header = { devs: [device], part_shift: 31, replica_count: 1, byteorder: 'little' };
  const rows = Buffer.alloc(4);

  test('the forged file is good to begin with, without region, version and replication address', () => {
    const { region: _, ...older } = device;
    const ring = decodeRingFile(forge({ ...header, devs: [older] }, rows));
    expect(ring.primaries(1)).toEqual([
      { ...device, replicationIp: 'a', replicationPort: 1, meta: '' },
    ]);
    expect(ring.version).toBeUndefined();
  });

  test.each<[string, Buffer, string]>([
    ['no gzip', Buffer.from('R1NG'), 'bad-ring-file'],
    ['a cut file', forge(header, rows).subarray(0, 40), 'bad-ring-file'],
    ['another magic', gzipSync(Buffer.from('PICKLE----------')), 'bad-ring-file'],
    ['an empty file', gzipSync(Buffer.alloc(0)), 'bad-ring-file'],
    ['version 2', forge(header, rows, 2), 'ring-file-version'],
    ['too few assignments', forge(header, Buffer.alloc(0)), 'bad-ring-file'],
    ['too many assignments', forge(header, Buffer.alloc(6)), 'bad-ring-file'],
    ['half an assignment', forge(header, Buffer.alloc(3)), 'bad-ring-file'],
    [
      'a device that is not there',
      forge(header, Buffer.from([0, 0, 9, 0])),
      'ring-names-no-device',
    ],
    ['a list as header', forge([], rows), 'bad-ring-field'],
    ['no devices', forge({ ...header, devs: 7 }, rows), 'bad-ring-file'],
    ['an odd byte order', forge({ ...header, byteorder: 'pdp' }, rows), 'bad-ring-file'],
    ['a huge part power', forge({ ...header, part_shift: 0 }, rows), 'bad-ring-file'],
    ['too many replicas', forge({ ...header, replica_count: 1e9 }, rows), 'bad-ring-field'],
    [
      'a device under a wrong id',
      forge({ ...header, devs: [null, device] }, rows),
      'bad-ring-shape',
    ],
    [
      'a negative weight',
      forge({ ...header, devs: [{ ...device, weight: -1 }] }, rows),
      'bad-ring-field',
    ],
  ])('%s', (_, file, code) => {
    expect(failureOf(() => decodeRingFile(file)).code).toBe(code);
  });

  test('a header length beyond the file', () => {
    const raw = gunzipSync(forge(header, rows));
    raw.writeUInt32BE(0xffffffff, 6);
    expect(failureOf(() => decodeRingFile(gzipSync(raw)))).toEqual({
      kind: 'corrupt',
      code: 'bad-ring-file',
    });
  });

  test('any flipped byte: an error of ours or another ring, never something else', () => {
    const raw = gunzipSync(forge(header, rows));
    fc.assert(
      fc.property(fc.nat(raw.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(raw);
        damaged.writeUInt8(damaged.readUInt8(at) ^ flip, at);
        const { kind } = failureOf(() => decodeRingFile(gzipSync(damaged)));
        expect(['none', 'corrupt', 'invalid']).toContain(kind);
      }),
    );
  });
});
