/** Messages that tell a user why something did not work; kept for `messageDays`. */
import { randomUuid } from '#common';
import type { Tx, VolumeCore } from './core.ts';

export interface Told {
  readonly projectId: string;
  readonly resource: { readonly type: string; readonly id: string };
  /** Cinder's `SERVICE_RESOURCE_ACTION_DETAIL` code. */
  readonly event: string;
  readonly text: string;
  readonly requestId: string;
}

const dayUs = 86_400_000_000;

export async function tell(core: VolumeCore, transaction: Tx, told: Told): Promise<void> {
  const now = core.clock.nowUs();
  await transaction.deleteFrom('volume_message').where('forget_at_us', '<', now).execute();
  await transaction
    .insertInto('volume_message')
    .values({
      id: randomUuid(core.random),
      project_id: told.projectId,
      event_id: told.event,
      resource_type: told.resource.type,
      resource_id: told.resource.id,
      level: 'ERROR',
      text: told.text.slice(0, 1024),
      request_id: told.requestId,
      created_at_us: now,
      forget_at_us: now + core.settings.messageDays * dayUs,
    })
    .execute();
}
