import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { afterPrefix, compareUtf8 } from './utf8.ts';

const text = fc.string({ unit: 'binary', maxLength: 8 }).filter((value) => value.isWellFormed());

test('strings compare as their UTF-8 bytes do', () => {
  fc.assert(
    fc.property(text, text, (a, b) => {
      expect(Math.sign(compareUtf8(a, b))).toBe(Buffer.compare(Buffer.from(a), Buffer.from(b)));
    }),
  );
  expect(compareUtf8('\uffff', '\u{1f600}')).toBeLessThan(0);
});

test('afterPrefix is above all that starts with the prefix, and below all else that is greater', () => {
  fc.assert(
    fc.property(
      text.filter((value) => value !== ''),
      text,
      text,
      (prefix, rest, other) => {
        const end = afterPrefix(prefix);
        if (end === undefined) return;
        expect(compareUtf8(prefix + rest, end)).toBeLessThan(0);
        if (compareUtf8(other, prefix) > 0 && !other.startsWith(prefix))
          expect(compareUtf8(other, end)).toBeGreaterThanOrEqual(0);
      },
    ),
  );
  expect(afterPrefix('a/')).toBe('a0');
  expect(afterPrefix('\u{10ffff}')).toBeUndefined();
  expect(afterPrefix('\ud7ff')).toBe('\ue000');
});
