/** Stores all fragments of a blob, each with one call, and waits for enough of them. */
import { isFailure } from '#common';
import { bytesOf } from '../blob-key.ts';
import type { Release } from '../blobs.ts';
import type { Core } from '../core.ts';
import { putAside, spareOf } from '../handoff.ts';
import { Quorum, quorumFailure } from '../quorum.ts';
import type { Replica } from '../replica.ts';
import { fragmentsToWrite } from './code.ts';
import { type CodedKey, type FragmentPlaces, fragmentKey } from './fragment-places.ts';
import type { Pieces } from './kernel.ts';

export function putFragments(
  core: Core,
  places: FragmentPlaces,
  key: CodedKey,
  fragments: readonly Pieces[],
  onReleased?: (how: Release) => void,
): Promise<void> {
  const needed = fragmentsToWrite(key.code);
  const quorum = new Quorum<void>(fragments.length, { patient: false, needed });
  const spare = spareOf(core, 'blob', () => places.handoffs(key));
  let open = fragments.length;
  let how: Release = 'free';
  return new Promise((resolve, reject) => {
    const decide = () => {
      const verdict = quorum.verdict();
      if (verdict === 'enough') resolve();
      else if (verdict !== 'wait') reject(quorumFailure('blob', quorum.failures));
      if (open === 0) onReleased?.(how);
    };
    const store = async (replica: Replica, index: number, mayWait: boolean): Promise<void> => {
      try {
        await storeOne(replica, key, index, fragments[index] ?? [], mayWait);
        quorum.yes(replica.device, undefined);
      } catch (error) {
        // A call that was given up does not take back what waits in a socket.
        if (isFailure(error, 'unreachable')) how = 'unknown';
        const other = spare(error);
        quorum.failed(replica.device, error, other !== undefined);
        if (other !== undefined) {
          await store(other, index, true);
          return;
        }
      }
      open -= 1;
      decide();
    };
    for (const [index, owner] of places.owners(key).entries()) void store(owner, index, false);
  });
}

async function storeOne(
  replica: Replica,
  key: CodedKey,
  index: number,
  pieces: Pieces,
  mayWait: boolean,
): Promise<void> {
  if (replica.aside && !mayWait) throw putAside(replica.device);
  await replica.call('blob', bytesOf(pieces), (device) =>
    device.putBlob(fragmentKey(key, index), pieces, {}),
  );
}
