/** A volume that has grown while a server has it: its guest is told, and sees the new size at its next start where it cannot be told while it runs. */
import { messageOf } from '#common';
import type { ComputeCore } from './core.ts';

const gib = 2 ** 30;

export async function diskGrown(
  core: ComputeCore,
  volumeId: string,
  sizeGib: number,
): Promise<void> {
  const disks = await core.db
    .selectFrom('compute_disk')
    .innerJoin('compute_server', 'compute_server.id', 'compute_disk.server_id')
    .select(['compute_disk.id', 'compute_server.id as server', 'compute_server.host'])
    .where('compute_disk.volume_id', '=', volumeId)
    .where('compute_disk.kind', '=', 'volume')
    .where('compute_server.deleted_at_us', 'is', null)
    .execute();
  for (const { id, server, host } of disks) {
    await core.db
      .updateTable('compute_disk')
      .set({ size_gib: sizeGib })
      .where('id', '=', id)
      .execute();
    // One that is off or asleep finds the size when it starts.
    if (host !== null) await tell(core, { server, host, disk: id }, sizeGib * gib);
  }
}

/** The volume has grown already: a hypervisor that is away, or cannot grow a disk that it has open, does not take that back. */
async function tell(
  core: ComputeCore,
  { server, host, disk }: { readonly server: string; readonly host: string; readonly disk: string },
  sizeBytes: number,
): Promise<void> {
  try {
    const { hypervisor } = core.host(host);
    if ((await hypervisor.power(server)) !== 'off')
      await hypervisor.resizeDisk(server, disk, sizeBytes);
  } catch (error) {
    core.log.warn({ err: error, server, disk }, `a grown disk: ${messageOf(error)}`);
  }
}
