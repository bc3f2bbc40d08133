import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { S3Failure } from '../s3-failure.ts';
import { parseXml } from './parse.ts';
import { element, escapeXml, s3Document } from './write.ts';

const bounds = { roots: ['Root'], tagsMax: 200 };
const parse = (text: string) => parseXml(Buffer.from(text), bounds);

test('text, children and namespaces', () => {
  const root = parse('<a:Root xmlns:a="x"><K> one </K><K>two</K><Empty/></a:Root>');
  expect(root.children('K').map((node) => node.text)).toEqual([' one ', 'two']);
  expect([root.childText('Empty'), root.childText('Missing')]).toEqual(['', undefined]);
  for (const name of ['constructor', 'toString', '__proto__'])
    expect(root.childText(name)).toBeUndefined();
});

test.each([
  ['nothing', ''],
  ['no XML', 'hello'],
  ['an open element', '<Root>'],
  ['crossed elements', '<Root><a></Root></a>'],
  ['another root', '<Other/>'],
  ['a document type', '<!DOCTYPE Root [<!ENTITY a "b">]><Root>&a;</Root>'],
  ['an outside entity', '<!DOCTYPE Root SYSTEM "file:///etc/passwd"><Root/>'],
  ['an unknown entity', '<Root><K>&nbsp;</K></Root>'],
  ['a bare ampersand', '<Root><K>a & b</K></Root>'],
  ['a character that is none', '<Root><K>&#x110000;</K></Root>'],
  ['half a character', '<Root><K>&#xd800;</K></Root>'],
  ['too much of it', `<Root>${'<a/>'.repeat(200)}</Root>`],
  ['too much depth', `<Root>${'<a>'.repeat(40)}${'</a>'.repeat(40)}</Root>`],
])('%s is malformed', (_, text) => {
  expect(() => {
    const root = parse(text);
    // Entities are decoded when the text is asked for.
    root.childText('K');
  }).toThrow(S3Failure);
});

test('bytes that are not UTF-8 are malformed', () => {
  const bytes = Buffer.from('<Root><K>\xff\xfe</K></Root>', 'latin1');
  expect(() => parseXml(bytes, bounds)).toThrow(S3Failure);
});

describe('what is written can be read', () => {
  test('any text that XML can hold, and references for what it cannot', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 30 }), (text) => {
        const document = s3Document('Root', element('K', text));
        expect(parse(document).childText('K')).toBe(text);
      }),
      { numRuns: 1000, seed: 21 },
    );
  });

  test('nothing unescaped gets out', () => {
    expect(escapeXml('<a b="c">&\'\u0000\r')).toBe(
      '&lt;a b=&quot;c&quot;&gt;&amp;&apos;&#x0;&#xd;',
    );
    expect(escapeXml('plain \u{1f600}')).toBe('plain \u{1f600}');
  });
});

test('noise is parsed or refused', () => {
  const piece = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom(
      '<Root>',
      '</Root>',
      '<K>',
      '</K>',
      '&amp;',
      '&',
      '<!--',
      '-->',
      '<?',
      '<![CDATA[',
      ']]>',
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 15 }), (pieces) => {
      try {
        parse(`<Root>${pieces.join('')}</Root>`).childText('K');
      } catch (error) {
        expect(error).toBeInstanceOf(S3Failure);
      }
    }),
    { numRuns: 2000, seed: 22 },
  );
});
