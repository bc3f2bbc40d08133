/** Forgets what is older than it need be, a bounded number of rows at a time. */
import type { State } from '#cloud/state';
import { type Clock, type Logger, type RunningWorker, startWorker } from '#common';
import type { JournalTables } from './migrations.ts';
import type { JournalSettings } from './settings.ts';

const groupMax = 500;
const idleMs = 3_600_000;
const dayUs = 86_400_000_000;

export function keepJournal(options: {
  readonly state: State;
  readonly settings: JournalSettings;
  readonly clock: Clock;
  readonly log: Logger;
}): RunningWorker {
  const { state, settings, clock, log } = options;
  const db = state.db.$extendTables<JournalTables>();
  const work = {
    name: 'journal',
    step: async () => {
      const before = (days: number) => clock.nowUs() - days * dayUs;
      const events = db
        .selectFrom('event')
        .select('seq')
        .where('at_us', '<', before(settings.eventsKeepDays))
        .limit(groupMax);
      const audits = db
        .selectFrom('audit')
        .select('id')
        .where('at_us', '<', before(settings.auditKeepDays))
        .limit(groupMax);
      const gone = await db.deleteFrom('event').where('seq', 'in', events).executeTakeFirst();
      const also = await db.deleteFrom('audit').where('id', 'in', audits).executeTakeFirst();
      return gone.numDeletedRows + also.numDeletedRows > 0n ? 'busy' : 'idle';
    },
  } as const;
  return startWorker(work, { clock, log, restRatio: 4, idleMs });
}
