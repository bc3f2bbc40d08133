/** Writes inventories that are due: nightly or weekly, and at once when a configuration is put. One a step. */
import { hash } from 'node:crypto';
import { type BackgroundWork, isFailure, type StepOutcome } from '#common';
import type { Container, DutyPlace } from '../../objects/index.ts';
import { inventoriesOf, inventoryField, parseInventory } from '../config/inventory.ts';
import { parseXml } from '../xml/parse.ts';
import { type ReportContext, writeReport } from './report.ts';

export const inventoryDuty = 'inventory';

const dayMs = 86_400_000;

export function inventoryWork(context: ReportContext): BackgroundWork {
  let after: DutyPlace | undefined;
  return {
    name: 'inventory',
    step: async (): Promise<StepOutcome> => {
      const [place] = (await context.objects.duties.list(inventoryDuty, after, 1)).entries;
      after = place;
      if (place === undefined) return 'idle';
      await visit(context, place);
      return 'busy';
    },
  };
}

async function visit(context: ReportContext, place: DutyPlace): Promise<void> {
  const { objects } = context;
  objects.containers.forget(place.account, place.name);
  let source: Container;
  try {
    source = await objects.containers.open(place.account, place.name);
  } catch (error) {
    if (!isFailure(error, 'missing')) throw error;
    await objects.duties.drop(inventoryDuty, place);
    return;
  }
  const all = Object.values(inventoriesOf(source.system[inventoryField]));
  if (all.length === 0) await objects.duties.drop(inventoryDuty, place);
  for (const inner of all) {
    const text = Buffer.from(`<InventoryConfiguration>${inner}</InventoryConfiguration>`);
    const inventory = parseInventory(
      parseXml(text, { roots: ['InventoryConfiguration'], tagsMax: 200 }),
    );
    const note = `inventory ${source.id} ${inventory.id}`;
    const [written, last] = ((await objects.duties.recall(note)) ?? '').split(' ');
    const nowMs = context.clock.nowUs() / 1000;
    const everyMs = inventory.frequency === 'Daily' ? dayMs : 7 * dayMs;
    const isDue = Math.floor(Number(last ?? 0) / everyMs) < Math.floor(nowMs / everyMs);
    // A changed configuration is written at once.
    const mark = hash('md5', inner);
    if (!inventory.enabled || (!isDue && written === mark)) continue;
    await writeReport(context, source, inventory);
    await objects.duties.note(note, `${mark} ${nowMs}`);
  }
}
