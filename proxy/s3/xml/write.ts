/** XML by hand: elements of text, escaped. Nothing else is ever needed here. */

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be escaped.
const special = /[&<>"'\x00-\x08\x0b-\x1f\x7f\ufffe\uffff\ud800-\udfff]/u;
const specials = new RegExp(special.source, 'gu');

const named: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/**
 * Characters that XML 1.0 forbids become references all the same, as S3 writes them: a client that wants such keys
 * asks for `encoding-type=url`.
 */
export function escapeXml(text: string): string {
  if (!special.test(text)) return text;
  return text.replace(
    specials,
    (character) => named[character] ?? `&#x${(character.codePointAt(0) ?? 0).toString(16)};`,
  );
}

export function element(name: string, text: string | number | boolean): string {
  return typeof text === 'string'
    ? `<${name}>${escapeXml(text)}</${name}>`
    : `<${name}>${text}</${name}>`;
}

/** Nothing where the value is undefined. */
export function optionalElement(name: string, text: string | number | undefined): string {
  return text === undefined ? '' : element(name, text);
}

/** `inner` is XML already. */
export function wrap(name: string, inner: string): string {
  return `<${name}>${inner}</${name}>`;
}

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';

/** A whole document in S3's namespace. */
export function s3Document(root: string, inner: string): string {
  return `${declaration}<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${root}>`;
}

export function plainDocument(root: string, inner: string): string {
  return `${declaration}<${root}>${inner}</${root}>`;
}
