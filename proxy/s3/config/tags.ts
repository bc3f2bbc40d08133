/** Tags of objects and buckets: bounded, unique, kept as a query string among an object's own fields. */
import type { Fields } from '../../objects/index.ts';
import { S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, wrap } from '../xml/write.ts';

export type TagList = readonly (readonly [string, string])[];

/** Field of an object's, upload's or bucket's system fields. */
export const tagsField = 'tags';

const keyMax = 128;
const valueMax = 256;
export const objectTagsMax = 10;
export const bucketTagsMax = 50;

export function encodeTags(tags: TagList): string {
  return tags.map((pair) => pair.map(encodeURIComponent).join('=')).join('&');
}

export function tagsOf(system: Fields): TagList {
  const text = system[tagsField];
  if (text === undefined || text === '') return [];
  return text.split('&').map((pair) => {
    const [key = '', value = ''] = pair.split('=');
    return [decodeURIComponent(key), decodeURIComponent(value)] as const;
  });
}

/** `x-amz-tagging`: pairs as in a query. */
export function parseTagQuery(header: string): TagList {
  const malformed = () =>
    new S3Failure('InvalidArgument', {
      message:
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
      details: { ArgumentName: 'x-amz-tagging', ArgumentValue: header },
    });
  const tags: [string, string][] = [];
  for (const piece of header.split('&', 1000)) {
    if (piece === '') continue;
    const equals = piece.indexOf('=');
    if (equals === 0) throw malformed();
    const decode = (word: string) => decodeURIComponent(word.replaceAll('+', ' '));
    try {
      tags.push([
        decode(equals < 0 ? piece : piece.slice(0, equals)),
        equals < 0 ? '' : decode(piece.slice(equals + 1)),
      ]);
    } catch {
      throw malformed();
    }
  }
  if (new Set(tags.map(([key]) => key)).size !== tags.length) throw malformed();
  checkTags(tags, objectTagsMax);
  return tags;
}

export function checkTags(tags: TagList, max: number): void {
  if (tags.length > max)
    throw max === objectTagsMax
      ? new S3Failure('InvalidTag', { message: `Object tags cannot be greater than ${max}` })
      : new S3Failure('BadRequest', { message: `Bucket tag count cannot be greater than ${max}` });
  const seen = new Set<string>();
  for (const [key, value] of tags) {
    if (key.length === 0 || key.length > keyMax || /^aws:/i.test(key) || !isTagText(key))
      throw new S3Failure('InvalidTag', {
        message: 'The TagKey you have provided is invalid',
        details: { TagKey: key },
      });
    if (value.length > valueMax || !isTagText(value))
      throw new S3Failure('InvalidTag', {
        message: 'The TagValue you have provided is invalid',
        details: { TagKey: key, TagValue: value },
      });
    if (seen.has(key))
      throw new S3Failure('InvalidTag', {
        message: 'Cannot provide multiple Tags with the same key',
        details: { TagKey: key },
      });
    seen.add(key);
  }
}

function isTagText(text: string): boolean {
  return /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(text);
}

/** `<TagSet><Tag>…` under the root. */
export function parseTagSet(root: XmlNode, max: number): TagList {
  const set = root.children('TagSet')[0];
  if (set === undefined) throw new S3Failure('MalformedXML');
  const tags = set.children('Tag').map((node) => {
    const [key, value] = [node.childText('Key'), node.childText('Value')];
    if (key === undefined || value === undefined) throw new S3Failure('MalformedXML');
    return [key, value] as const;
  });
  checkTags(tags, max);
  return tags;
}

export function renderTagSet(tags: TagList): string {
  return wrap('TagSet', tags.map(renderTag).join(''));
}

export function renderTag([key, value]: readonly [string, string]): string {
  return wrap('Tag', element('Key', key) + element('Value', value));
}
