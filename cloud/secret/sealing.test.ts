import { Buffer } from 'node:buffer';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openBytes, sealBytes } from './sealing.ts';

const key = Buffer.alloc(32, 7);
const nonce = Buffer.alloc(12, 3);
const id = '00000000-0000-4000-8000-000000000001';
const golden = join(import.meta.dirname, 'golden/secret-payload-v1.bin');

test('payloads of version 1 are written and read as they ever were', () => {
  const stored = fs.readFileSync(golden);
  expect(sealBytes(key, id, Buffer.from('a secret'), nonce)).toEqual(stored);
  expect(openBytes(key, id, stored).toString()).toBe('a secret');
});

test('a payload opens under its own name and key only, and unchanged', () => {
  const stored = fs.readFileSync(golden);
  const other = '00000000-0000-4000-8000-000000000002';
  expect(() => openBytes(key, other, stored)).toThrow('does not open');
  expect(() => openBytes(Buffer.alloc(32, 8), id, stored)).toThrow('does not open');
  expect(() => openBytes(key, id, stored.subarray(0, 20))).toThrow('does not open');
  const changed = Buffer.from(stored);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  expect(() => openBytes(key, id, changed)).toThrow('does not open');
});
