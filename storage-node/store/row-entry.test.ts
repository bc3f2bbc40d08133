import { expect, test } from 'vitest';
import { seededRandom } from '#common';
import { decodeRowState, encodeRowState, RowEntries, sumOfKey } from './row-entry.ts';
import type { RowState } from './row-state.ts';

const random = seededRandom(1);

function stateOf(metaBytes: number | undefined, more: Partial<RowState> = {}): RowState {
  return {
    version: { timeUs: Number.MAX_SAFE_INTEGER - 1, coordinator: 0xffffffff },
    deleted: false,
    lost: false,
    bytes: 2 ** 52 + 1,
    file: 0xfffffffe,
    offset: 0x3fffffff,
    headBytes: 3200,
    metaLength: metaBytes ?? 5000,
    metaCrc: 0xdeadbeef,
    bodyLength: 65_536,
    bodyCrc: 0x80000000,
    meta: metaBytes === undefined ? undefined : random.bytes(metaBytes),
    body: undefined,
    ...more,
  };
}

const key = 'r00000007object\u00000001päth𐀀';

test.each([0, 1, 2, 3, 80, 4096])('a row with %i bytes of meta comes back as it was', (bytes) => {
  const state = stateOf(bytes, { deleted: bytes === 0, lost: bytes === 1 });
  expect(decodeRowState(key, encodeRowState(key, state))).toEqual(state);
});

test('a meta above the limit stays in the log', () => {
  const state = stateOf(4097);
  const kept = decodeRowState(key, encodeRowState(key, state));
  expect(kept).toEqual({ ...state, meta: undefined });
  expect(decodeRowState(key, encodeRowState(key, stateOf(undefined)))).toEqual(
    stateOf(undefined, { meta: undefined }),
  );
});

test('a flipped bit, a cut, or the entry of another key is found out', () => {
  const text = encodeRowState(key, stateOf(11));
  const bytes = Buffer.from(text, 'base64');
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const bad = Buffer.from(bytes);
    bad[bit >> 3] = (bad[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(decodeRowState(key, bad.toString('base64'))).toBeUndefined();
  }
  for (let length = 0; length < text.length; length++)
    expect(decodeRowState(key, text.slice(0, length))).toBeUndefined();
  expect(decodeRowState(`${key}a`, text)).toBeUndefined();
});

test('of many entries decoded together a bad one spoils no other', () => {
  const states = [3, 40, 0, 17].map((bytes) => stateOf(bytes));
  const texts = states.map((state, at) => encodeRowState(key + at, state));
  const good = texts[1] ?? '';
  const damaged = [
    '',
    '!',
    'AAAA',
    `${good.slice(0, 9)}*${good.slice(10)}`,
    `${good}=`,
    good.slice(1),
  ];
  for (const bad of [...damaged, `${good.slice(0, 5)}==${good.slice(7)}`]) {
    const entries = new RowEntries(texts.with(1, bad));
    for (const [at, state] of states.entries())
      expect(entries.state(at, sumOfKey(key + at))).toEqual(at === 1 ? undefined : state);
    expect(entries.row(1, sumOfKey(`${key}1`), 'x')).toBeUndefined();
    expect(entries.row(3, sumOfKey(`${key}3`), 'x')?.meta).toEqual(states[3]?.meta);
  }
});
