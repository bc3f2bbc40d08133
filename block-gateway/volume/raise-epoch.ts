/**
 * Taking a volume away from whoever has it: a higher epoch in the head row, and then as the fence on the storage nodes.
 *
 * A fence outlives its volume. A volume that was made anew under the id of a deleted one (a restore over it, a filling that was cut off) counts from the
 * beginning, and finds the fence of the old one in force. While the head row still has our epoch, nobody else can have raised it: the
 * head jumps above it.
 */
import { isFailure } from '#common';
import type { EngineContext } from './context.ts';
import type { VolumeHead } from './head.ts';
import { changeHead } from './head-row.ts';

type Store = Pick<EngineContext, 'tables' | 'blobs'>;

/** Returns the head as it is now. `denied` (fenced) when somebody else took the volume meanwhile. */
export async function raiseEpoch(
  { tables, blobs }: Store,
  volumeId: string,
  change: (head: VolumeHead) => VolumeHead,
): Promise<VolumeHead> {
  let head = await changeHead(tables, volumeId, (present) => ({
    ...change(present),
    epoch: present.epoch + 1,
  }));
  for (;;) {
    const { epoch } = head;
    try {
      await blobs.raiseFence({ scope: volumeId, epoch });
      return head;
    } catch (error) {
      const inForce = epochInForce(error);
      if (inForce === undefined) throw error;
      head = await changeHead(tables, volumeId, (present) => {
        if (present.epoch !== epoch) throw error;
        return { ...present, epoch: inForce + 1 };
      });
    }
  }
}

function epochInForce(error: unknown): number | undefined {
  if (!isFailure(error, 'denied') || error.code !== 'fenced') return undefined;
  const { inForce } = error.facts;
  return typeof inForce === 'number' ? inForce : undefined;
}
