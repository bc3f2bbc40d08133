/** What objects are encrypted with that this dialect writes. */
import type { WriteKey } from '../objects/index.ts';
import type { SwiftServices } from './swift-request.ts';

/** A key for one object: for its bytes, and for its user metadata; undefined when nothing is to be encrypted. */
export async function encryptionOf({
  swift,
  objects,
}: SwiftServices): Promise<WriteKey | undefined> {
  if (!swift.encryption) return undefined;
  return await objects.encryption.forWrite({ kind: 'AES256', metadata: true });
}
