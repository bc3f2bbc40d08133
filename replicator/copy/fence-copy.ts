/** Brings every fence in force to a device that was put in place empty. */
import { surveyEntriesMax } from '#wire';
import { paged } from '../compare/merge.ts';
import type { Peer } from '../peer.ts';

export async function copyFences(from: readonly Peer[], to: Peer): Promise<void> {
  for (const peer of from) {
    const fences = paged<{ readonly scope: string; readonly epoch: number }>(async (last) => {
      const after = last === undefined ? {} : { after: last.scope };
      const reply = await peer.survey({ what: 'fences', limit: surveyEntriesMax, ...after });
      return { items: reply.fences, more: reply.fences.length === surveyEntriesMax };
    });
    for await (const fence of fences) await to.call((service) => service.raiseFence(fence));
  }
}
