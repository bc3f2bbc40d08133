import { crc32c } from '@node-rs/crc32';
import { expect, test } from 'vitest';
import { BlockSums, blockBytes, blocksMatch, sumsOf } from './block-sums.ts';

const id = 'a'.repeat(32);

/** The table of whole bytes, without any sharing. */
function plainTable(chunks: readonly Buffer[]): Buffer {
  const whole = Buffer.concat(chunks);
  const sums: Buffer[] = [];
  for (let at = 0; at < whole.length; at += blockBytes) {
    const sum = Buffer.alloc(4);
    sum.writeUInt32LE(crc32c(whole.subarray(at, at + blockBytes)));
    sums.push(sum);
  }
  return Buffer.concat(sums);
}

const lists = [[100], [blockBytes - 1, 2, blockBytes], [3 * blockBytes + 5], [blockBytes]].map(
  (lengths, list) =>
    lengths.map((length, at) => Buffer.alloc(length, `${list}:${at}:${'x'.repeat(list)}`)),
);

test('replicas that are given the same lists get the same table, whoever comes first', () => {
  const replicas = [new BlockSums(id), new BlockSums(id), new BlockSums(id)];
  for (const list of lists) for (const sums of replicas) sums.addAll(list);
  const expected = plainTable(lists.flat());
  for (const sums of replicas) {
    expect(sums.length).toBe(lists.flat().reduce((sum, chunk) => sum + chunk.length, 0));
    const table = sums.finish();
    expect(table).toEqual(expected);
    expect(blocksMatch(table, 0, Buffer.concat(lists.flat()))).toBe(true);
  }
});

test('a list that comes again at another place, filled anew, or for another blob, is summed again', () => {
  const list = [Buffer.alloc(1000, 'one')];
  const twice = new BlockSums(id);
  twice.addAll(list);
  twice.addAll(list);
  expect(twice.finish()).toEqual(plainTable([...list, ...list]));
  list[0] = Buffer.alloc(1000, 'two');
  expect(sumsOf(id, list)).toEqual(plainTable(list));
  list[0].fill('three');
  expect(sumsOf('b'.repeat(32), list)).toEqual(plainTable(list));
});
