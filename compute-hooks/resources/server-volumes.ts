/** Volumes that are made for a server: asked of the volume service as whoever asks for the server. */
import type { Request } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { ask, attempt } from '../service-calls.ts';
import type { DiskWish, NewVolume } from './server-disks.ts';

const version = 'volume 3.59';

/** The wishes with volumes in them; what was made before one failed goes again. */
export async function withVolumes(
  core: ComputeCore,
  request: Request,
  wishes: readonly DiskWish[],
): Promise<DiskWish[]> {
  const made: DiskWish[] = [];
  try {
    for (const wish of wishes)
      made.push(
        wish.newVolume === undefined
          ? wish
          : { ...wish, ...(await make(core, request, wish.newVolume)) },
      );
    return made;
  } catch (error) {
    await dropVolumes(core, request, made);
    throw error;
  }
}

async function make(core: ComputeCore, request: Request, wanted: NewVolume) {
  const { volume } = (await ask(core, request, {
    ...{ service: 'volume', method: 'POST', path: '/volumes', version },
    body: { volume: wanted },
  })) as { readonly volume: { readonly id: string; readonly size: number } };
  return { volumeId: volume.id, sizeGib: volume.size };
}

/** Those that no server was made for. */
export async function dropVolumes(
  core: ComputeCore,
  request: Request,
  wishes: readonly DiskWish[],
): Promise<void> {
  for (const { newVolume, volumeId } of wishes) {
    if (newVolume === undefined || volumeId === undefined) continue;
    const path = `/volumes/${volumeId}?force=true`;
    const { status } = await attempt(core, request, {
      ...{ service: 'volume', method: 'DELETE', path, version },
    });
    if (status >= 400)
      core.log.warn({ volume: volumeId, status }, 'a volume of a server that was not made stays');
  }
}
