/** What the inspectors take and refuse, and that no file, however bent, makes them do anything else. */
import { describe, expect, it } from 'vitest';
import { isFailure, seededRandom } from '#common';
import { ova, ovf, qcow2, tar, vmdk } from '../testing/samples.ts';
import { mismatch } from './declared.ts';
import { ImageInspector } from './inspector.ts';

const limits = { virtualBytesMax: 2 ** 44 };

function inspect(file: Buffer, pieceBytes = 100_000) {
  const inspector = new ImageInspector(limits);
  for (let at = 0; at < file.length; at += pieceBytes)
    inspector.feed(file.subarray(at, at + pieceBytes));
  return inspector.finish();
}

/** The format found, or the reason of the refusal. */
function verdict(file: Buffer, pieceBytes?: number): string {
  try {
    const { format, virtualBytes } = inspect(file, pieceBytes);
    return `${format} ${virtualBytes}`;
  } catch (error) {
    if (!isFailure(error, 'invalid')) throw error;
    return String(error.facts.reason);
  }
}

const dataFile = { type: 0x44415441, data: Buffer.from('/etc/shadow') };
const backingFormat = { type: 0xe2792aca, data: Buffer.from('raw') };

const cases: readonly (readonly [string, Buffer, string])[] = [
  ['qcow2', qcow2(), 'qcow2 1048576'],
  ['qcow2 of version 2', qcow2({ version: 2 }), 'qcow2 1048576'],
  ['qcow2 of version 4', qcow2({ version: 4 }), 'version 4 is not known'],
  ['qcow2 on /etc/passwd', qcow2({ backing: '/etc/passwd' }), 'it names a backing file'],
  ['qcow2 with a data file', qcow2({ incompatible: 4n }), 'it keeps its data in another file'],
  [
    'qcow2 that names a data file',
    qcow2({ extension: dataFile }),
    'it names an external data file',
  ],
  [
    'qcow2 with the format of a backing file',
    qcow2({ extension: backingFormat }),
    'it names the format of a backing file',
  ],
  ['qcow2 marked corrupt', qcow2({ incompatible: 2n }), 'it is marked as corrupt'],
  [
    'qcow2 of the future',
    qcow2({ incompatible: 1n << 40n }),
    'it uses features that are not known',
  ],
  ['qcow2 encrypted', qcow2({ encryption: 2 }), 'it is encrypted'],
  ['qcow2 with tiny clusters', qcow2({ clusterBits: 4 }), 'clusters of 2^4 bytes are not allowed'],
  [
    'qcow2 of 16 EiB',
    qcow2({ virtualBytes: 2n ** 64n - 1n }),
    'its virtual size of 18446744073709551615 bytes is more than 17592186044416',
  ],
  ['qcow2 of nothing', qcow2({ virtualBytes: 0n }), 'its virtual size is nothing'],
  [
    'qcow2 whose table is elsewhere',
    qcow2({ firstTable: 1n << 40n }),
    'its first table lies beyond the end of the file',
  ],
  ['qcow2 cut off', qcow2().subarray(0, 90), 'it ends within its header'],
  ['vmdk', vmdk(), 'vmdk 1048576'],
  [
    'vmdk with an extent in another file',
    vmdk({ extents: ['RW 2048 FLAT "/etc/passwd" 0'] }),
    'its extent is in another file',
  ],
  [
    'vmdk with a sparse extent elsewhere',
    vmdk({ extents: ['RW 2048 SPARSE "../../etc/passwd"'] }),
    'its extent is in another file',
  ],
  [
    'vmdk with two extents',
    vmdk({ extents: ['RW 1024 SPARSE "a.vmdk"', 'RW 1024 SPARSE "b.vmdk"'] }),
    'it has 2 extents instead of one',
  ],
  [
    'vmdk of a raw device',
    vmdk({ createType: 'fullDevice' }),
    'its kind fullDevice is not one of monolithicSparse, streamOptimized',
  ],
  [
    'vmdk with a parent',
    vmdk({ more: 'parentFileNameHint="/etc/passwd"' }),
    'it names a parent image',
  ],
  [
    'vmdk that contradicts itself',
    vmdk({ sectors: 4096n }),
    'its extent has another size than its header',
  ],
  [
    'vmdk as text',
    Buffer.from('# Disk DescriptorFile\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n'),
    'it is a description alone, and its extents are other files',
  ],
  ['ova', ova(), 'ova 1048576'],
  ['ova in GiB', ova(ovf({ capacity: '2', units: 'byte * 2^30' })), 'ova 2147483648'],
  [
    'ova that promises 16 EiB',
    ova(ovf({ capacity: '16', units: 'byte * 2^60' })),
    'its virtual size of 18446744073709551616 bytes is more than 17592186044416',
  ],
  [
    'ova with a compressed disk',
    ova(ovf({ file: 'ovf:compression="gzip"' })),
    'its disks are compressed a second time',
  ],
  [
    'ova with a disk elsewhere',
    ova(ovf({ href: 'http://x/y' })),
    'its description names a file elsewhere',
  ],
  [
    'ova that leaves its folder',
    ova(ovf(), { name: '../disk.vmdk' }),
    'it has a member whose name is not allowed',
  ],
  ['ova with a link', ova(ovf(), { type: '2' }), 'it has a member that is no ordinary file'],
  ['ova cut off', ova().subarray(0, 3_000), 'it is cut off'],
  ['ova whose disk is longer than the file', ova(ovf(), { bytes: 2 ** 32 }), 'it is cut off'],
  [
    'ova with a stranger in it',
    tar([
      { name: 'm.ovf', data: ovf() },
      { name: 'disk.vmdk', data: vmdk() },
      { name: 'payload.bin', data: Buffer.from('x') },
    ]),
    'its description does not name its member payload.bin',
  ],
  [
    'ova with a billion laughs',
    ova(ovf({ head: '<!DOCTYPE x [<!ENTITY a "aaaa">]>' })),
    'its description defines entities',
  ],
  ['ovf', ovf(), 'ovf 1048576'],
  [
    'LUKS',
    Buffer.concat([Buffer.from('LUKS\xba\xbe', 'latin1'), Buffer.alloc(4096)]),
    'encrypted images are not taken',
  ],
  ['QED', Buffer.from('QED\0 and more'), 'QED images are not taken'],
  ['a tar of anything', tar([{ name: 'notes.txt', data: Buffer.from('x') }]), 'raw 2048'],
  ['nothing', Buffer.alloc(0), 'raw 0'],
  ['text', Buffer.from('hello'), 'raw 5'],
];

describe('an image file', () => {
  for (const [what, file, expected] of cases) {
    it(`${what}: ${expected}`, () => {
      expect(verdict(file)).toBe(expected);
      // In whatever pieces it comes.
      expect(verdict(file, 511)).toBe(expected);
      expect(verdict(file, 37_001)).toBe(expected);
    });
  }

  it('that could be two things is refused', () => {
    const both = qcow2();
    both.write('CD001', 32_769);
    expect(verdict(both)).toBe('it could be qcow2 or iso: that is no accident');
  });

  it('is taken or refused, whatever is bent in it', () => {
    const random = seededRandom(7);
    for (const sample of [qcow2(), vmdk(), ova(), ovf()]) {
      for (let round = 0; round < 400; round++) {
        const bent = Buffer.from(sample);
        for (let change = 0; change <= random.below(6); change++)
          bent[random.below(Math.min(bent.length, 4_096))] = random.below(256);
        const cut = bent.subarray(
          0,
          random.below(4) === 0 ? random.below(bent.length) : bent.length,
        );
        expect(verdict(cut, 1 + random.below(9_000))).toMatch(/\w/);
      }
    }
  });
});

describe('what an image is said to be', () => {
  const found = { format: 'qcow2', virtualBytes: 1 } as const;
  it('has to be what it is', () => {
    const bare = { containerFormat: 'bare' };
    expect(mismatch({ ...bare, diskFormat: 'qcow2' }, found)).toBeUndefined();
    expect(mismatch({ ...bare, diskFormat: 'raw' }, found)).toContain('its content is qcow2');
    expect(mismatch({ ...bare, diskFormat: 'ami' }, { ...found, format: 'raw' })).toBeUndefined();
    expect(
      mismatch({ diskFormat: 'vmdk', containerFormat: 'ova' }, { ...found, format: 'ova' }),
    ).toBeUndefined();
    expect(mismatch({ diskFormat: 'vmdk', containerFormat: 'ova' }, found)).toContain('an OVA');
    expect(mismatch({ diskFormat: 'raw', containerFormat: 'docker' }, found)).toBeUndefined();
  });
});
