/** Quotas: what a project uses of images, asked in the transaction that would use more of it. */
import { sql } from 'kysely';
import type { Db, ImageCore } from '../core.ts';
import { imageFailure } from '../failures.ts';
import { statusOf } from './records.ts';

export interface Usage {
  readonly image_size_total: number;
  readonly image_stage_total: number;
  readonly image_count_total: number;
  readonly image_count_uploading: number;
}

const MiB = 1024 * 1024;

/** Bytes, not the MiB that clients see. */
export async function usageOf(core: ImageCore, db: Db, owner: string | null): Promise<Usage> {
  const status = statusOf(core.nowUs());
  const staged = sql<number>`coalesce((select content.size from image_content as content
    where content.id = image_image.staged_id), 0)`;
  const row = await db
    .selectFrom('image_image')
    .select([
      sql<number>`coalesce(sum(case when content_id is not null then size else 0 end), 0)`.as(
        'bytes',
      ),
      sql<number>`coalesce(sum(${staged}), 0)`.as('staged'),
      sql<number>`count(*)`.as('count'),
      sql<number>`coalesce(sum(case when ${status} in ('saving', 'uploading', 'importing') then 1 else 0 end), 0)`.as(
        'uploading',
      ),
    ])
    .where('owner', owner === null ? 'is' : '=', owner)
    .executeTakeFirstOrThrow();
  return {
    image_size_total: Number(row.bytes),
    image_stage_total: Number(row.staged),
    image_count_total: Number(row.count),
    image_count_uploading: Number(row.uploading),
  };
}

export function limitsOf(core: ImageCore): Usage {
  const { settings } = core;
  return {
    image_size_total: settings.projectBytesMax,
    image_stage_total: settings.projectStagedBytesMax,
    image_count_total: settings.projectImagesMax,
    image_count_uploading: settings.projectUploadsMax,
  };
}

/** Sizes in MiB and −1 for "no limit", as upstream's usage API has them. */
export async function usageView(core: ImageCore, owner: string | null) {
  const usage = await usageOf(core, core.db, owner);
  const limits = limitsOf(core);
  const names = Object.keys(limits) as (keyof Usage)[];
  return Object.fromEntries(
    names.map((name) => {
      const unit = name.startsWith('image_count') ? 1 : MiB;
      const limit = limits[name] === 0 ? -1 : Math.floor(limits[name] / unit);
      return [name, { limit, usage: Math.ceil(usage[name] / unit) }];
    }),
  );
}

/** Refuses when the project would then have more than its limit of `name`. */
export async function enforceQuota(
  core: ImageCore,
  db: Db,
  owner: string | null,
  wanted: { readonly name: keyof Usage; readonly more: number },
): Promise<void> {
  const limit = limitsOf(core)[wanted.name];
  if (limit === 0) return;
  const used = (await usageOf(core, db, owner))[wanted.name];
  if (used + wanted.more <= limit) return;
  throw imageFailure('limit-exceeded', {
    why: `Project ${owner ?? ''} is over a limit for [Resource ${wanted.name} is over limit of ${limit} due to current usage ${used} and delta ${wanted.more}]`,
  });
}
