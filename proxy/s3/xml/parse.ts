/** XML from clients, parsed within bounds: no document types, no entities but the predefined ones, little depth. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { S3Failure } from '../s3-failure.ts';

/** An element: its text and its children by name, in order. */
export interface XmlNode {
  readonly text: string;
  children(name: string): readonly XmlNode[];
  /** The text of the first child of that name. */
  childText(name: string): string | undefined;
}

const depthMax = 12;

const parser = new XMLParser({
  ignoreAttributes: true,
  removeNSPrefix: true,
  parseTagValue: false,
  // Keys may begin and end with spaces.
  trimValues: false,
  // Done below, for the predefined ones alone.
  processEntities: false,
  ignoreDeclaration: true,
  ignorePiTags: true,
  maxNestedTags: depthMax,
  isArray: () => true,
});

function malformed(cause?: unknown): S3Failure {
  return new S3Failure('MalformedXML', { cause });
}

export interface XmlBounds {
  /** The root element must have one of these names. */
  readonly roots: readonly string[];
  /** Opening and closing tags together: parsing costs some 3 µs each, and nothing else runs meanwhile. */
  readonly tagsMax: number;
}

/** Returns the root element. */
export function parseXml(document: Buffer, { roots, tagsMax }: XmlBounds): XmlNode {
  if (!hasAtMost(document, lessThan, tagsMax)) throw malformed();
  const text = decodeUtf8(document);
  if (/<!(DOCTYPE|ENTITY|\[CDATA\[)/i.test(text)) throw malformed();
  const valid = XMLValidator.validate(text);
  if (valid !== true) throw malformed(valid.err.msg);
  const tree = parseTree(text);
  for (const root of roots) {
    const [node] = nodesOf(tree, root);
    if (node !== undefined) return node;
  }
  throw malformed();
}

const lessThan = 0x3c;

function hasAtMost(document: Buffer, byte: number, max: number): boolean {
  let count = 0;
  for (let at = document.indexOf(byte); at >= 0; at = document.indexOf(byte, at + 1))
    if (++count > max) return false;
  return true;
}

function decodeUtf8(document: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(document);
  } catch (cause) {
    throw malformed(cause);
  }
}

function parseTree(text: string): unknown {
  try {
    return parser.parse(text);
  } catch (cause) {
    throw malformed(cause);
  }
}

function nodesOf(parent: unknown, name: string): XmlNode[] {
  if (typeof parent !== 'object' || parent === null || !Object.hasOwn(parent, name)) return [];
  const value: unknown = Reflect.get(parent, name);
  return (Array.isArray(value) ? value : [value]).map(nodeOf);
}

function nodeOf(value: unknown): XmlNode {
  const text = decodeEntities(textOf(value));
  const children = (name: string): readonly XmlNode[] => nodesOf(value, name);
  return { text, children, childText: (name) => children(name)[0]?.text };
}

function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, '#text')) return '';
  const text: unknown = Reflect.get(value, '#text');
  const first: unknown = Array.isArray(text) ? text.join('') : text;
  return typeof first === 'string' ? first : '';
}

const predefined: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&([^&;\s]{0,12});?/g, (whole, name: string) => {
    if (!whole.endsWith(';')) throw malformed();
    const known = Object.hasOwn(predefined, name) ? predefined[name] : undefined;
    return known ?? numericReference(name);
  });
}

function numericReference(name: string): string {
  const match = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name);
  if (match === null) throw malformed();
  const point =
    match[1] === undefined ? Number.parseInt(match[2] ?? '', 10) : Number.parseInt(match[1], 16);
  const surrogate = point >= 0xd800 && point <= 0xdfff;
  if (point > 0x10ffff || surrogate) throw malformed();
  return String.fromCodePoint(point);
}
