import { hash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { S3Failure } from '../s3-failure.ts';
import { deriveSigningKey } from '../sigv4/signing-key.ts';
import { AwsChunkedDecoder, decodeAwsChunked } from './aws-chunked.ts';
import { startChecksum } from './checksum-algorithms.ts';
import { type ChunkSigning, ChunkVerifier } from './chunk-signature.ts';

/** The published example: 65 KiB of `a` in chunks of 64 KiB, signed with the reference's key pair. */
const key = deriveSigningKey('wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', {
  date: '20130524',
  region: 'us-east-1',
  service: 's3',
});
const amzDate = '20130524T000000Z';
const scope = '20130524/us-east-1/s3/aws4_request';
const plainSeed = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';
const trailerSeed = '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e';

const letters = Buffer.alloc(66_560, 'a');

function chunk(data: Buffer, signature?: string): Buffer {
  const extension = signature === undefined ? '' : `;chunk-signature=${signature}`;
  const head = Buffer.from(`${data.length.toString(16)}${extension}\r\n`);
  return data.length === 0 ? head : Buffer.concat([head, data, Buffer.from('\r\n')]);
}

function signed(signatures: readonly string[], ending: string): Buffer {
  const [first = '', second = '', last = ''] = signatures;
  return Buffer.concat([
    chunk(letters.subarray(0, 65_536), first),
    chunk(letters.subarray(65_536), second),
    chunk(Buffer.alloc(0), last),
    Buffer.from(ending),
  ]);
}

const plainExample = signed(
  [
    'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
    '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  ],
  '\r\n',
);

const trailerSignature = 'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435';
const trailerExample = signed(
  [
    'b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2',
    '1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7',
    '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992',
  ],
  `x-amz-checksum-crc32c:sOO8/Q==\r\nx-amz-trailer-signature:${trailerSignature}\r\n\r\n`,
);

function signing(seed: string): ChunkSigning {
  return { key, amzDate, scope, seed };
}

function decoderOf(decodedLength: number, hasTrailers: boolean, seed?: string): AwsChunkedDecoder {
  return new AwsChunkedDecoder({
    decodedLength,
    hasTrailers,
    ...(seed === undefined ? {} : { verifier: new ChunkVerifier(signing(seed)) }),
  });
}

function decodeWhole(wire: Buffer, decoder: AwsChunkedDecoder): Buffer {
  const out = decoder.push(wire);
  decoder.end();
  return Buffer.concat(out);
}

/** The S3 name of what is thrown, or undefined. */
function refusal(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof S3Failure) return error.s3Code;
    throw error;
  }
}

describe('the published examples', () => {
  test('signed chunks', () => {
    expect(decodeWhole(plainExample, decoderOf(66_560, false, plainSeed))).toEqual(letters);
  });

  test('signed chunks with a signed trailer', async () => {
    const decoder = decoderOf(66_560, true, trailerSeed);
    expect(decodeWhole(trailerExample, decoder)).toEqual(letters);
    const crc = await startChecksum('crc32c');
    crc.update(letters);
    expect(decoder.trailers.get('x-amz-checksum-crc32c')).toBe(crc.digest().toString('base64'));
  });

  test('a changed byte of data, signature or trailer is refused', () => {
    for (const at of [100, 65_700, plainExample.length - 10]) {
      const wire = Buffer.from(plainExample);
      wire[at] = wire[at] === 0x62 ? 0x63 : 0x62;
      const code = refusal(() => decodeWhole(wire, decoderOf(66_560, false, plainSeed)));
      expect(code).toBe('SignatureDoesNotMatch');
    }
    const wire = Buffer.from(trailerExample.toString('latin1').replace('sOO8', 'sOO9'), 'latin1');
    const code = refusal(() => decodeWhole(wire, decoderOf(66_560, true, trailerSeed)));
    expect(code).toBe('SignatureDoesNotMatch');
  });

  test('a trailer without its signature is refused', () => {
    const text = trailerExample.toString('latin1').replace(/x-amz-trailer-signature.*\r\n/, '');
    const wire = Buffer.from(text, 'latin1');
    const code = refusal(() => decodeWhole(wire, decoderOf(66_560, true, trailerSeed)));
    expect(code).toBe('SignatureDoesNotMatch');
  });
});

test('every truncation of a signed body ends with IncompleteBody', () => {
  const data = Buffer.from('hello, world');
  const empty = hash('sha256', '');
  const link = (before: string, content: Buffer) => {
    const parts = ['AWS4-HMAC-SHA256-PAYLOAD', amzDate, scope, before, empty];
    return key.sign([...parts, hash('sha256', content)].join('\n'));
  };
  const first = link(plainSeed, data);
  const last = link(first, Buffer.alloc(0));
  const wire = Buffer.concat([
    chunk(data, first),
    chunk(Buffer.alloc(0), last),
    Buffer.from('\r\n'),
  ]);
  expect(decodeWhole(wire, decoderOf(12, false, plainSeed)).toString()).toBe('hello, world');
  for (let length = 0; length < wire.length; length++) {
    const cut = wire.subarray(0, length);
    const code = refusal(() => decodeWhole(cut, decoderOf(12, false, plainSeed)));
    expect(code, `cut at ${length}`).toBe('IncompleteBody');
  }
});

/** Bodies, how they are cut into chunks, and how the wire is cut into pieces. */
const bodies = fc.record({
  chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { maxLength: 6 }),
  cuts: fc.array(fc.nat(400), { maxLength: 8 }),
});

function frame(chunks: readonly Uint8Array[], trailer: string): Buffer {
  const framed = chunks.map((one) => chunk(Buffer.from(one)));
  return Buffer.concat([...framed, Buffer.from(`0\r\n${trailer}\r\n`)]);
}

function cutUp(wire: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...cuts.map((cut) => Math.min(cut, wire.length)), 0, wire.length];
  at.sort((a, b) => a - b);
  return at.slice(1).map((end, index) => wire.subarray(at[index], end));
}

test('any chunking in any pieces gives the body back, and its trailers', async () => {
  await fc.assert(
    fc.asyncProperty(bodies, async ({ chunks, cuts }) => {
      const body = Buffer.concat(chunks);
      const wire = frame(chunks, 'X-Amz-Checksum-Crc32: abc= \r\n');
      const decoder = decoderOf(body.length, true);
      async function* source() {
        yield* cutUp(wire, cuts);
      }
      const out: Buffer[] = [];
      for await (const piece of decodeAwsChunked(source(), decoder)) out.push(piece);
      expect(Buffer.concat(out)).toEqual(body);
      expect([...decoder.trailers]).toEqual([['x-amz-checksum-crc32', 'abc=']]);
    }),
    { numRuns: 500, seed: 11 },
  );
});

test('truncated anywhere it is IncompleteBody, in whatever pieces it came', () => {
  fc.assert(
    fc.property(bodies, fc.nat(), ({ chunks, cuts }, stop) => {
      const wire = frame(chunks, 'a:b\r\n');
      const cut = wire.subarray(0, stop % wire.length);
      const decoder = decoderOf(Buffer.concat(chunks).length, true);
      const code = refusal(() => {
        for (const piece of cutUp(cut, cuts)) decoder.push(piece);
        decoder.end();
      });
      expect(code).toBe('IncompleteBody');
    }),
    { numRuns: 1000, seed: 12 },
  );
});

test('noise is refused, never believed, never endless', () => {
  const noise = fc.array(
    fc.oneof(
      fc.string({ maxLength: 10 }),
      fc.constantFrom(
        '\r\n',
        '\n',
        '0',
        'ffffffffffff',
        ';chunk-signature=',
        '5\r\nhello\r\n',
        ':',
      ),
    ),
    { maxLength: 20 },
  );
  fc.assert(
    fc.property(noise, fc.nat(200), fc.boolean(), (pieces, length, hasTrailers) => {
      const decoder = decoderOf(length, hasTrailers);
      let out = 0;
      const code = refusal(() => {
        for (const piece of pieces)
          for (const data of decoder.push(Buffer.from(piece, 'latin1'))) out += data.length;
        decoder.end();
      });
      expect(out).toBeLessThanOrEqual(length);
      if (code === undefined) expect(out).toBe(length);
      else
        expect(['IncompleteBody', 'InvalidChunkSizeError', 'MalformedTrailerError']).toContain(
          code,
        );
    }),
    { numRuns: 3000, seed: 13 },
  );
});

test.each([
  ['a size that is no number', 'xyz\r\n', 'InvalidChunkSizeError'],
  ['a negative size', '-5\r\nhello\r\n0\r\n\r\n', 'InvalidChunkSizeError'],
  ['a chunk longer than its size', '2\r\nhello\r\n0\r\n\r\n', 'InvalidChunkSizeError'],
  ['a line without end', 'a'.repeat(10_000), 'InvalidChunkSizeError'],
  ['more than was promised', '6\r\nhello!\r\n0\r\n\r\n', 'IncompleteBody'],
  ['less than was promised', '4\r\nhell\r\n0\r\n\r\n', 'IncompleteBody'],
  ['bytes behind the end', '5\r\nhello\r\n0\r\n\r\nmore', 'InvalidChunkSizeError'],
  ['a bare newline', '5\nhello\r\n0\r\n\r\n', 'InvalidChunkSizeError'],
  ['a trailer where none belongs', '5\r\nhello\r\n0\r\na:b\r\n\r\n', 'InvalidChunkSizeError'],
])('%s', (_, wire, code) => {
  const decoder = decoderOf(5, false);
  expect(refusal(() => decodeWhole(Buffer.from(wire), decoder))).toBe(code);
});

test('too many trailers, or one twice, are refused', () => {
  const many = Array.from({ length: 30 }, (_, at) => `t${at}:x\r\n`).join('');
  for (const trailer of [many, 'a:1\r\nA:2\r\n']) {
    const wire = Buffer.from(`0\r\n${trailer}\r\n`);
    expect(refusal(() => decodeWhole(wire, decoderOf(0, true)))).toBe('InvalidChunkSizeError');
  }
});
