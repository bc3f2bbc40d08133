import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answer, ResponseReader } from './response-reader.ts';

/** Feeds the text in the pieces that the cuts make, through one buffer that is overwritten after each. */
function read(text: string, cuts: readonly number[] = []): Answer | undefined {
  const reader = new ResponseReader();
  reader.begin(true);
  const bytes = Buffer.from(text, 'latin1');
  const at = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  let answer: Answer | undefined;
  for (let i = 1; i < at.length; i++) {
    const shared = Buffer.from(bytes.subarray(at[i - 1], at[i]));
    answer ??= reader.take(shared);
    shared.fill(0x21);
  }
  return answer ?? reader.end();
}

const answers: [string, string, number, string, boolean][] = [
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\n\r\nhello', 200, 'hello', false],
  ['no body', 'HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n', 201, '', false],
  ['204 without a length', 'HTTP/1.1 204 No Content\r\n\r\n', 204, '', false],
  [
    'a close',
    'HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx',
    404,
    'x',
    true,
  ],
  ['an end by closing', 'HTTP/1.0 200 OK\r\n\r\nall there is', 200, 'all there is', true],
  [
    'chunks, with an extension and a trailer',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n',
    200,
    'abc0123456789',
    false,
  ],
  [
    'an interim answer first',
    'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok',
    201,
    'ok',
    false,
  ],
];

describe('response reader', () => {
  it.each(answers)(
    'reads an answer with %s, however it is cut',
    (_name, text, status, body, closes) => {
      const cuts = fc.array(fc.nat({ max: text.length }), { maxLength: 8 });
      const check = fc.property(cuts, (at) => {
        const answer = read(text, at);
        expect(answer).toMatchObject({ status, bytes: body.length, closes });
        expect(answer?.body?.toString('latin1')).toBe(body);
      });
      fc.assert(check, { seed: 7, numRuns: 300 });
    },
  );

  it.each([
    ['something else', 'SSH-2.0-x\r\n\r\n'],
    ['a wrong status', 'HTTP/1.1 9x9 no\r\n\r\n'],
    ['a wrong length', 'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'],
    ['a wrong chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n'],
    ['a chunk that goes on', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n'],
    ['more than was asked for', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nabc'],
    ['a head without end', `HTTP/1.1 200 OK\r\nX: ${'y'.repeat(70_000)}`],
  ])('refuses %s', (_name, text) => {
    expect(() => read(text)).toThrow(/The server sent/);
  });

  it('says nothing while an answer is not whole, and counts without collecting', () => {
    expect(read('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell')).toBeUndefined();
    const reader = new ResponseReader();
    reader.begin(false);
    const answer = reader.take(Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello'));
    expect(answer).toEqual({ status: 200, bytes: 5, body: undefined, closes: false });
  });
});
