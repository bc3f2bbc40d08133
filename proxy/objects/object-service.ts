/** Objects, and the façade over everything the dialects render. */

import type { WriteMode } from '#cluster';
import type { AccountService } from './account-service.ts';
import type { CodingPolicy } from './coding-policies.ts';
import type { Container, ContainerService } from './container-service.ts';
import type { Duties } from './duties.ts';
import type { KeyStore } from './encryption/key-store.ts';
import type { ObjectEncryption, WriteKey } from './encryption/object-encryption.ts';
import type { Fields } from './fields.ts';
import type { Records } from './records.ts';
import type { UploadService } from './upload-service.ts';

export interface ObjectRef {
  readonly container: Container;
  readonly name: string;
}

/**
 * How the bytes of an object are to be found.
 * `plain`: its own, whole. `multipart`: its own, put together from parts. `slo`: the body is a manifest of other objects
 * (Swift static large object); `dlo`: what a GET returns are the objects under a prefix (dynamic large object). `symlink`: no bytes of
 * its own, it stands for another object (`symlinks.ts`).
 */
export type ObjectKind = 'plain' | 'multipart' | 'slo' | 'dlo' | 'symlink';

export interface ObjectInfo {
  readonly name: string;
  readonly kind: ObjectKind;
  /** Bytes that the object itself stores; of a manifest, the manifest. */
  readonly size: number;
  /** Without quotes; of what the object itself stores. */
  readonly etag: string;
  readonly contentType: string;
  /** When the object (or its metadata, by a metadata update) was last written. */
  readonly modifiedUs: number;
  /** User metadata: lower-case names without header prefix. */
  readonly metadata: Fields;
  /** Standard headers kept with it: content-encoding, content-disposition, content-language, cache-control, expires, … */
  readonly headers: Fields;
  /** A dialect's own, for example `slo-etag`, `slo-size`, `x-object-manifest`, `storage-class`. */
  readonly system: Fields;
  /** Whole-object checksums by algorithm (`crc32c`, …), base64, as a dialect gave them; plus `type` where it matters. */
  readonly checksums: Fields;
  /** Of a multipart object: its parts in order. */
  readonly parts?: readonly ObjectPart[];
  /** Seconds since 1970 after which it is not served any more. */
  readonly deleteAtS?: number;
  /** `null` for the one written while versions were not kept; absent where they never were. */
  readonly versionId?: string;
}

export interface ObjectPart {
  readonly number: number;
  readonly size: number;
  /** Hex MD5. */
  readonly etag: string;
}

/** Evaluated atomically against the present object. ETags without quotes; `*` is any object. */
export interface WriteConditions {
  readonly ifMatch?: readonly string[];
  readonly ifNoneMatch?: readonly string[];
  readonly ifUnmodifiedSinceS?: number;
  /** Exactly this size; exactly this second of modification. */
  readonly ifSize?: number;
  readonly ifModifiedAtS?: number;
}

/** What the body turned out to be. */
export interface BodyFacts {
  readonly size: number;
  /** Hex. */
  readonly md5: string;
}

/** What is kept of an object beside its bytes; what is absent is empty. */
export interface ObjectFields {
  readonly contentType?: string;
  readonly metadata?: Fields;
  readonly headers?: Fields;
  readonly system?: Fields;
  readonly checksums?: Fields;
  readonly deleteAtS?: number;
}

export interface PutObject extends ObjectRef, ObjectFields {
  /** An error thrown by it ends the put with nothing visible. Chunks are not changed, and not held once stored. */
  readonly body: Buffer | AsyncIterable<Buffer>;
  /** When known: a body that is shorter or longer fails. */
  readonly length?: number;
  /** Hex. */
  readonly expectedMd5?: string;
  readonly conditions?: WriteConditions;
  readonly mode?: WriteMode;
  readonly kind?: ObjectKind;
  /** Encrypts the body; its fields are kept with the object. */
  readonly encryption?: WriteKey;
  /** For an object that was written elsewhere, and when: now, unless it is said. */
  readonly modifiedUs?: number;
  /**
   * Called once the body has ended and matches `length` and `expectedMd5`, before anything becomes visible: throws to
   * refuse (a checksum in a trailer), and may add fields that are known only now.
   */
  readonly onBodyEnd?: (facts: BodyFacts) => ObjectFields | undefined;
}

/** An object found: what it is, and its bytes when they are asked for. */
export interface StoredObject {
  readonly info: ObjectInfo;
  /** The whole body when it is small enough to lie in the row. */
  readonly inline: Buffer | undefined;
  /** A range as a stream, read ahead by one; leaving the iteration early stops reading. */
  read(offset: number, length: number): AsyncIterable<Buffer>;
}

export interface CopyObject {
  /** The dialect has decided that the caller may read it. */
  readonly source: StoredObject;
  readonly target: ObjectRef;
  /** Replaces all of the source's fields; without it they are kept. */
  readonly fields?: ObjectFields;
  readonly conditions?: WriteConditions;
  readonly mode?: WriteMode;
  readonly encryption?: WriteKey;
}

/** A run of an object's bytes, as it lies in the store. */
export interface HeldBlob {
  readonly id: string;
  readonly length: number;
}

export interface LendBlobs {
  /** Objects with bytes of their own, in the order of their bytes; the dialect has decided that the caller may read them. */
  readonly sources: readonly ObjectRef[];
  readonly target: ObjectRef;
}

export interface PutOutcome {
  readonly info: ObjectInfo;
  /** Whether an object was replaced, as far as the replicas that answered know. */
  readonly replaced: boolean;
}

export interface VersionChoice {
  /** Absent for the current version. */
  readonly versionId?: string;
}

export interface ReadChoice extends VersionChoice {
  /** Of an object that is encrypted with a key which its client keeps. */
  readonly customerKey?: Buffer;
}

export interface UpdateOptions extends VersionChoice {
  /** The change is none that `modifiedUs` tells of. */
  readonly keepModified?: boolean;
}

export interface DeleteOptions extends VersionChoice {
  readonly mode?: WriteMode;
  readonly conditions?: WriteConditions;
  /** The caller may, and wants to, delete a version under governance. */
  readonly bypassGovernance?: boolean;
  /**
   * `nothing`: where versions are kept the name has no current one after, but what is older stays: no marker is made, and no other
   * version takes the place of a deleted one. The `null` version is gone for good when it was the current one.
   */
  readonly leaves?: 'nothing';
}

export interface DeleteOutcome {
  /** Whether there was an object (or, with a version id, such a version). */
  readonly existed: boolean;
  /** The version that was deleted for good, or the delete marker that was made. */
  readonly versionId?: string;
  /** A delete marker was made, or was what was deleted. */
  readonly deleteMarker?: boolean;
}

export interface ObjectOperations {
  put(request: PutObject): Promise<PutOutcome>;
  /**
   * Fails `object-missing` (also past its `deleteAtS`; with facts `deleteMarker` and `versionId` when it was deleted where versions
   * are kept), `version-missing`, or `delete-marker` when that is what the version is.
   */
  get(ref: ObjectRef, choice?: ReadChoice): Promise<StoredObject>;
  head(ref: ObjectRef, choice?: VersionChoice): Promise<ObjectInfo>;
  /** Replaces fields of the object, never its bytes, atomically; `change` may run again and may throw to refuse. */
  update(
    ref: ObjectRef,
    change: (present: ObjectInfo) => ObjectFields,
    options?: UpdateOptions,
  ): Promise<ObjectInfo>;
  /** The same, and its bytes are written anew where the storage class that it has then keeps them; fails `condition-failed` when others come meanwhile. */
  move(
    ref: ObjectRef,
    change: (present: ObjectInfo) => ObjectFields,
    options?: UpdateOptions,
  ): Promise<ObjectInfo>;
  /**
   * Where versions are kept, without a version id, a delete marker is made. With conditions: atomically, `condition-failed`; what is
   * not there fails none of them, and what a marker hides only `*` does not fail.
   */
  delete(ref: ObjectRef, options?: DeleteOptions): Promise<DeleteOutcome>;
  /** Makes an older version the current one, under its own id; fails `version-missing`. */
  restore(ref: ObjectRef, choice: Required<VersionChoice>): Promise<ObjectInfo>;
  /** Server-side: the bytes are read and written anew. */
  copy(request: CopyObject): Promise<PutOutcome>;
  /**
   * Makes the target of the sources' bytes by reference: nothing is copied, and it keeps them when the sources go. Undefined where that
   * cannot be done (small bodies, which lie in rows; a key that the client keeps). Fails `object-missing`, or `segment-changed`
   * when a source is replaced meanwhile. Only for containers without versions.
   */
  lend(request: LendBlobs): Promise<ObjectInfo | undefined>;
  /**
   * The same for one who reads the blobs by himself: they are what the sources' bytes lie in, in order. Undefined for encrypted sources as well. Until the
   * target is deleted they stay.
   */
  hold(request: LendBlobs): Promise<readonly HeldBlob[] | undefined>;
}

/** The dialect-free object store: Swift and S3 parse, call this, and render. */
export interface ObjectService {
  readonly accounts: AccountService;
  readonly containers: ContainerService;
  readonly objects: ObjectOperations;
  readonly uploads: UploadService;
  /** Keys for writes that ask for encryption. */
  readonly encryption: ObjectEncryption;
  readonly keys: KeyStore;
  readonly duties: Duties;
  /** Policies of containers whose bodies are kept in fragments. */
  readonly codingPolicies: readonly CodingPolicy[];
  readonly records: Records;
  /** Waits (bounded) for background deletions. */
  close(): Promise<void>;
}
