/** Refuses names that hold characters, are as long, or look as the operator will not have them. */
import { Failure } from '#common';
import { refusal } from '../refusal.ts';
import type { SwiftRequest, SwiftServices, SwiftStage } from '../swift-request.ts';
import { decodePercent } from '../text.ts';

const about = 'Object/Container/Account name';
const plain = { 'Content-Type': 'text/html; charset=UTF-8' };

export function createNameCheck({ swift }: SwiftServices): SwiftStage {
  const { nameForbiddenChars, nameBytesMax, nameForbiddenPattern } = swift;
  const pattern = nameForbiddenPattern === '' ? undefined : parsePattern(nameForbiddenPattern);
  const problemOf = (path: string): string | undefined => {
    if ([...nameForbiddenChars].some((character) => path.includes(character)))
      return `contains forbidden chars from ${nameForbiddenChars}`;
    if (Buffer.byteLength(path) > nameBytesMax)
      return `longer than the allowed maximum ${nameBytesMax}`;
    if (pattern?.test(path) === true)
      return `contains a forbidden substring from regular expression ${nameForbiddenPattern}`;
    return undefined;
  };
  return async (request, next) => {
    const problem = problemOf(pathOf(request));
    if (problem !== undefined) throw refusal('bad-request', `${about} ${problem}`, plain);
    return await next(request);
  };
}

/** As it was asked for, with its version in front. */
function pathOf({ exchange }: SwiftRequest): string {
  const path = exchange.url.split('?', 1)[0] ?? '';
  return decodePercent(path) ?? path;
}

function parsePattern(text: string): RegExp {
  try {
    return new RegExp(text, 'u');
  } catch (cause) {
    const message = `swift.nameForbiddenPattern is no regular expression pattern=${text}`;
    throw new Failure('invalid', 'bad-settings', message, { cause });
  }
}
