/** Plans and progress of ring changes, for people. */
import type { RingProgress } from '../machines/ring-change.ts';
import type { RingPlan } from '../machines/ring-plan.ts';
import { renderBytes } from '../progress.ts';

export function renderRingPlan(plan: RingPlan): string {
  if (plan.replicas_moved === 0) return 'Nothing would move.';
  const { exposure } = plan;
  const rate = `${renderBytes(plan.bytes_per_second)}/s`;
  const lines = [
    `${plan.replicas_moved} replicas of ${plan.partitions_touched} of ${plan.partitions} partitions move: ${renderBytes(plan.bytes)}, ${renderTime(plan.seconds)} at ${rate}, in ${plan.waves} waves`,
    `balance ${plan.balance_before.toFixed(2)} % → ${plan.balance_after.toFixed(2)} %`,
    `${exposure.in_motion_max} replica of a partition moves at a time; meanwhile it needs ${exposure.majority_while_moving} of its ${exposure.owners_while_moving} owners`,
  ];
  if (exposure.short_of_copies > 0)
    lines.push(
      `${exposure.short_of_copies} partitions have fewer copies than they should until then`,
    );
  lines.push('', 'device  node          zone  weight  share before  after    arriving    leaving');
  for (const one of plan.devices)
    lines.push(
      [
        one.device.padEnd(7),
        one.node.padEnd(13),
        String(one.zone).padEnd(5),
        String(one.weight).padEnd(7),
        percent(one.share_before).padEnd(13),
        percent(one.share_after).padEnd(8),
        renderBytes(one.arriving_bytes).padEnd(11),
        renderBytes(one.leaving_bytes),
      ].join(' '),
    );
  lines.push('');
  for (const { from, to, bytes } of plan.links)
    lines.push(`${from} → ${to}: ${renderBytes(bytes)}`);
  return lines.join('\n');
}

export function renderRingProgress(now: RingProgress): string {
  const moved = `${renderBytes(now.moved_bytes)} of ${renderBytes(now.planned_bytes)} moved`;
  const wave =
    now.partitions === 0
      ? ''
      : `, ${now.settled} of ${now.partitions} partitions of this one settled`;
  const waits = now.waits_for.length === 0 ? '' : `; waits for ${now.waits_for.join(', ')}`;
  const failed = now.last_error === null ? '' : `; ${now.last_error}`;
  if (now.state === 'none') return `ring    epoch ${now.epoch}, never changed`;
  return `ring    epoch ${now.epoch}, change ${now.state}: ${now.wave} of ${now.waves} waves${wave}, ${moved}${waits}${failed}`;
}

const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;

function renderTime(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
