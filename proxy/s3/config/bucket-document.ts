/** Settings of a bucket that are one XML document each: checked when they come, kept as they are shown. */
import { type Container, type ContainerChange, type Fields, placeOf } from '../../objects/index.ts';
import type { Action } from '../access/actions.ts';
import { openBucket } from '../access.ts';
import { readDocument } from '../body/read-document.ts';
import type { Operation, S3Request, S3Services } from '../context.ts';
import type { S3Code } from '../error-table.ts';
import { emptyReply, xmlReply } from '../reply.ts';
import { S3Failure } from '../s3-failure.ts';
import { parseXml, type XmlNode } from '../xml/parse.ts';
import { s3Document } from '../xml/write.ts';

export interface Surroundings {
  readonly container: Container;
  readonly request: S3Request;
  readonly services: S3Services;
}

export interface BucketDocument<T> {
  /** Where it is kept among the container's own fields. */
  readonly field: string;
  readonly root: string;
  readonly tagsMax: number;
  /** Taking it away is putting, but where that has a name of its own. */
  readonly actions: { readonly get: Action; readonly put: Action; readonly delete?: Action };
  /** What is answered while there is none: an error, or the inside of a document. */
  readonly absent: { readonly error: S3Code } | { readonly inner: string };
  readonly parse: (root: XmlNode) => T;
  readonly render: (value: T) => string;
  /** Checks that need more than the document; may be slow, may throw. */
  readonly check?: (value: T, around: Surroundings) => Promise<void> | void;
  /** Background work that must know of the bucket while it has such a document. */
  readonly duty?: string;
}

const kept = new WeakMap<Container, Map<string, unknown>>();

/** The parsed document of a bucket; undefined where there is none. Parsed once per container row. */
export function documentOf<T>(document: BucketDocument<T>, container: Container): T | undefined {
  const inner = container.system[document.field];
  if (inner === undefined) return undefined;
  let known = kept.get(container);
  if (known === undefined) {
    known = new Map();
    kept.set(container, known);
  }
  if (!known.has(document.field)) known.set(document.field, parseKept(document, inner));
  const value: unknown = known.get(document.field);
  // Only `parseKept` of the same document puts anything under this name.
  return value as T;
}

function parseKept<T>(document: BucketDocument<T>, inner: string): T {
  const text = Buffer.from(`<${document.root}>${inner}</${document.root}>`);
  return document.parse(parseXml(text, { roots: [document.root], tagsMax: document.tagsMax }));
}

export function getDocument<T>(document: BucketDocument<T>): Operation {
  return async (request, services) => {
    const container = await openBucket(request, services, document.actions.get);
    const inner = container.system[document.field];
    const { absent } = document;
    if (inner !== undefined) return xmlReply(200, s3Document(document.root, inner));
    if ('error' in absent)
      throw new S3Failure(absent.error, { details: { BucketName: request.bucket } });
    return xmlReply(200, s3Document(document.root, absent.inner));
  };
}

export function putDocument<T>(document: BucketDocument<T>): Operation {
  return async (request, services) => {
    const container = await openBucket(request, services, document.actions.put);
    const bytes = await readDocument(request, services.settings.documentBytesMax);
    if (bytes.length === 0) throw new S3Failure('MissingRequestBodyError');
    const root = parseXml(bytes, { roots: [document.root], tagsMax: document.tagsMax });
    const value = document.parse(root);
    await document.check?.(value, { container, request, services });
    await changeSystem(container, services, { [document.field]: document.render(value) });
    // Only now: the work drops what it finds without rules.
    if (document.duty !== undefined)
      await services.objects.duties.ensure(document.duty, placeOf(container));
    return emptyReply(200);
  };
}

export function deleteDocument<T>(document: BucketDocument<T>): Operation {
  return async (request, services) => {
    const { put, delete: own = put } = document.actions;
    const container = await openBucket(request, services, own);
    await changeSystem(container, services, { [document.field]: undefined });
    return emptyReply(204);
  };
}

/** Sets, or with undefined removes, a bucket's own fields. */
export async function changeSystem(
  container: Container,
  services: S3Services,
  changes: Readonly<Record<string, string | undefined>>,
): Promise<Container> {
  return await services.objects.containers.update(
    container.account,
    container.name,
    (present): ContainerChange => ({ system: withChanges(present.system, changes) }),
  );
}

export function withChanges(
  fields: Fields,
  changes: Readonly<Record<string, string | undefined>>,
): Fields {
  const next: Record<string, string> = { ...fields };
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) delete next[name];
    else next[name] = value;
  }
  return next;
}

export function malformed(message?: string): S3Failure {
  return new S3Failure('MalformedXML', message === undefined ? {} : { message });
}

/** The one child of a name, or none; two are malformed. */
export function onlyChild(node: XmlNode, name: string): XmlNode | undefined {
  const [first, second] = node.children(name);
  if (second !== undefined) throw malformed();
  return first;
}

export function requiredText(node: XmlNode, name: string): string {
  const text = node.childText(name)?.trim();
  if (text === undefined || text === '') throw malformed();
  return text;
}

/** One of a few words. */
export function wordOf<W extends string>(text: string | undefined, words: readonly W[]): W {
  const found = words.find((word) => word === text?.trim());
  if (found === undefined) throw malformed();
  return found;
}

export function wholeNumber(text: string | undefined): number {
  if (text === undefined || !/^-?\d{1,15}$/.test(text.trim())) throw malformed();
  return Number(text);
}
