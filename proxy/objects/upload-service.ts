/** Uploads: an object put together from up to 10,000 parts that arrive in any order (S3 multipart). */

import type { Container } from './container-service.ts';
import type { Fields, Page } from './fields.ts';
import type {
  BodyFacts,
  ObjectFields,
  ObjectRef,
  PutOutcome,
  WriteConditions,
} from './object-service.ts';

export interface UploadRef extends ObjectRef {
  readonly uploadId: string;
}

export interface Upload {
  readonly name: string;
  readonly uploadId: string;
  readonly startedUs: number;
  /** What the finished object will have. */
  readonly fields: Required<Pick<ObjectFields, 'contentType' | 'metadata' | 'headers' | 'system'>>;
}

export interface UploadedPart {
  readonly number: number;
  readonly size: number;
  /** Hex MD5. */
  readonly etag: string;
  readonly modifiedUs: number;
  readonly checksums: Fields;
  /** Of a part just put: the upload's fields that tell how it is encrypted. */
  readonly encryption?: Fields;
}

export interface PutPart extends UploadRef {
  /** 1 to 10,000; a part put again replaces the earlier one. */
  readonly number: number;
  readonly body: Buffer | AsyncIterable<Buffer>;
  readonly length?: number;
  readonly expectedMd5?: string;
  /** Of an upload that is encrypted with a key which its client keeps. */
  readonly customerKey?: Buffer;
  /** Sees the upload's own fields before any of the body is taken: throws to refuse. */
  readonly onUpload?: (system: Fields) => void;
  /** As for `PutObject`; only `checksums` of what it returns is kept. */
  readonly onBodyEnd?: (facts: BodyFacts) => { readonly checksums?: Fields } | undefined;
}

export interface CompleteUpload extends UploadRef {
  /** In ascending order; an `etag` (hex, without quotes) must match the part's. */
  readonly parts: readonly { readonly number: number; readonly etag: string }[];
  readonly conditions?: WriteConditions;
  /** Sees the parts that were chosen before anything becomes visible: throws to refuse, and may add whole-object checksums. */
  readonly onParts?: (
    parts: readonly UploadedPart[],
  ) => { readonly checksums?: Fields } | undefined;
}

export interface ListUploads {
  readonly prefix?: string;
  readonly delimiter?: string;
  /** Exclusive: uploads of names after this; with `uploadIdMarker` also later uploads of the same name. */
  readonly nameMarker?: string;
  readonly uploadIdMarker?: string;
  readonly limit: number;
}

export type UploadListEntry =
  | (Upload & { readonly prefix?: never })
  | { readonly prefix: string; readonly name?: never };

export interface UploadService {
  create(ref: ObjectRef, fields: ObjectFields): Promise<Upload>;
  /** Fails `upload-missing`. */
  get(ref: UploadRef): Promise<Upload>;
  putPart(request: PutPart): Promise<UploadedPart>;
  listParts(
    ref: UploadRef,
    request: { readonly marker?: number; readonly limit: number },
  ): Promise<Page<UploadedPart>>;
  /**
   * By reference: no bytes move. Failures: `part-missing` (not there or another ETag), `part-order`, `part-too-small`
   * (any but the last below `partBytesMin`), `condition-failed`, `upload-missing`. Repeating a completed one gives the
   * same answer as long as its object is there.
   */
  complete(request: CompleteUpload): Promise<PutOutcome>;
  abort(ref: UploadRef): Promise<void>;
  list(container: Container, request: ListUploads): Promise<Page<UploadListEntry>>;
}
