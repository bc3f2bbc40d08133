/** Quotas of images: what a project holds, reserved under each image's id in the transaction that changes it. */
import type { ImageCore, Tx } from '../core.ts';
import { imageFailure } from '../failures.ts';
import type { ImageSettings } from '../settings.ts';

const MiB = 1024 * 1024;
const unlimited = -1;

/** Bytes are counted as bytes; clients are shown MiB. */
export type Counted = 'size_total' | 'stage_total' | 'count_total' | 'count_uploading';

const nameOf = (counted: Counted) => `image.${counted}`;

/** 0 in the settings is "no limit". */
const limit = (setting: number) => (setting === 0 ? unlimited : setting);

export function declareQuotas(core: ImageCore): void {
  const { settings } = core;
  const defaults: Record<Counted, number> = {
    size_total: settings.projectBytesMax,
    stage_total: settings.projectStagedBytesMax,
    count_total: settings.projectImagesMax,
    count_uploading: settings.projectUploadsMax,
  };
  core.quotas.add(
    (Object.keys(defaults) as Counted[]).map((counted) => ({
      resource: nameOf(counted),
      defaultLimit: limit(defaults[counted]),
    })),
  );
}

/** Images without an owner are the cloud's own and count for nobody. */
export async function reserve(
  core: ImageCore,
  tx: Tx,
  image: { readonly id: string; readonly owner: string | null },
  amounts: Partial<Record<Counted, number>>,
): Promise<void> {
  if (image.owner === null) return;
  const named = Object.entries(amounts).map(([counted, amount]) => [
    nameOf(counted as Counted),
    amount,
  ]);
  await core.quotas.reserve(
    tx,
    { scope: image.owner, holder: image.id },
    Object.fromEntries(named) as Record<string, number>,
  );
}

/** How many bytes one more image may have: what the quota leaves, at most the limit of one upload. */
export async function roomFor(
  core: ImageCore,
  owner: string | null,
  counted: 'size_total' | 'stage_total',
): Promise<number> {
  const { imageBytesMax }: ImageSettings = core.settings;
  if (owner === null) return imageBytesMax;
  const usage = (await core.quotas.usage(owner, 'image'))[nameOf(counted)];
  if (usage === undefined || usage.limit === unlimited) return imageBytesMax;
  const { used } = usage;
  if (used >= usage.limit)
    throw imageFailure('over-quota', {
      ...{ scope: owner, resource: nameOf(counted), limit: usage.limit, used },
      requested: 1,
    });
  return Math.min(imageBytesMax, usage.limit - used);
}

/** Sizes in MiB and −1 for "no limit", as upstream's usage API has them. */
export async function usageView(core: ImageCore, owner: string | null) {
  const usage = owner === null ? {} : await core.quotas.usage(owner, 'image');
  const counted: Counted[] = ['size_total', 'stage_total', 'count_total', 'count_uploading'];
  return Object.fromEntries(
    counted.map((name) => {
      const unit = name.startsWith('count') ? 1 : MiB;
      const { limit: most = unlimited, used = 0 } = usage[nameOf(name)] ?? {};
      const shown = most === unlimited ? unlimited : Math.floor(most / unit);
      return [`image_${name}`, { limit: shown, usage: Math.ceil(used / unit) }];
    }),
  );
}
