/** A volume that has grown while a server has it: its guest sees the new size at once. */
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
    if (host !== null && (await core.host(host).hypervisor.power(server)) !== 'off')
      await core.host(host).hypervisor.resizeDisk(server, id, sizeGib * gib);
  }
}
