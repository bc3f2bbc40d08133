import { expect, test } from 'vitest';
import { giveBack, LentBuffers, lendForeign, lendParts } from './lent-buffers.ts';

const kib = 1024;

function lendFilled(buffers: LentBuffers, bytes: number, fill: number): Buffer {
  const memory = buffers.take(bytes);
  memory.fill(fill);
  return buffers.lend(memory, 0, bytes);
}

test('memory is lent again only after its view was given back', () => {
  const buffers = new LentBuffers(1024 * kib);
  const first = lendFilled(buffers, 100 * kib, 1);
  const second = lendFilled(buffers, 100 * kib, 2);
  expect(second.buffer).not.toBe(first.buffer);
  giveBack(first);
  const third = lendFilled(buffers, 128 * kib, 3);
  expect(third.buffer).toBe(first.buffer);
  expect(second.every((byte) => byte === 2)).toBe(true);
});

test('a view gives back once, and a part of it never', () => {
  const buffers = new LentBuffers(1024 * kib);
  const view = lendFilled(buffers, 64 * kib, 1);
  giveBack(view.subarray(0));
  giveBack(Buffer.from(view.buffer));
  expect(buffers.unusedBytes).toBe(0);
  giveBack(view);
  giveBack(view);
  expect(buffers.unusedBytes).toBe(64 * kib);
  const again = [buffers.take(64 * kib), buffers.take(64 * kib)];
  expect(again[0]?.buffer).not.toBe(again[1]?.buffer);
});

test('memory of a size that is not asked for any more makes room', () => {
  const buffers = new LentBuffers(1024 * kib);
  const old = Array.from({ length: 3 }, () => lendFilled(buffers, 320 * kib, 1));
  for (const view of old) giveBack(view);
  const views = Array.from({ length: 3 }, () => lendFilled(buffers, 512 * kib, 2));
  for (const view of views) giveBack(view);
  expect(buffers.unusedBytes).toBe(1024 * kib);
  expect(buffers.take(512 * kib).buffer).toBe(views[1]?.buffer);
});

test('small memory and what exceeds the bound are not kept', () => {
  const buffers = new LentBuffers(200 * kib);
  const views = [1, 2, 3].map((fill) => lendFilled(buffers, 128 * kib, fill));
  for (const view of views) giveBack(view);
  expect(buffers.unusedBytes).toBe(128 * kib);
  giveBack(lendFilled(buffers, 4 * kib, 4));
  expect(buffers.unusedBytes).toBe(128 * kib);
  giveBack(Buffer.alloc(128 * kib));
  expect(buffers.unusedBytes).toBe(128 * kib);
});

test('memory of others is let go when it is given back, unless something else lies in it', () => {
  const received = lendForeign(Buffer.alloc(64 * kib, 1));
  giveBack(received);
  expect(received.length).toBe(0);
  expect(received.buffer.byteLength).toBe(0);
  const shared = Buffer.alloc(64 * kib, 1);
  giveBack(lendForeign(shared.subarray(0, 32 * kib)));
  giveBack(lendForeign(Buffer.from('from the pool of small ones')));
  expect(shared.every((byte) => byte === 1)).toBe(true);
});

test('parts that took the place of the whole give it back when the last one comes', () => {
  const whole = lendForeign(Buffer.alloc(64 * kib, 1));
  const parts = [whole.subarray(10, 20), whole.subarray(30, 60_000)];
  lendParts(whole, parts);
  giveBack(whole);
  for (const part of parts) {
    expect(whole.length).toBe(64 * kib);
    giveBack(part);
    giveBack(part);
  }
  expect(whole.length).toBe(0);

  const kept = lendForeign(Buffer.alloc(64 * kib, 1));
  lendParts(kept, [kept]);
  expect(kept.length).toBe(64 * kib);
  lendParts(kept, []);
  expect(kept.length).toBe(0);
});
