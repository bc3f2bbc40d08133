/** Allocation pools of subnets: what may be given out. */
import { fail } from '../failures.ts';
import type { Pool, Subnet } from '../model/documents.ts';
import { cidrOf, contains, parseIp, renderIp } from './ip.ts';

/** Everything but the network's own address, the broadcast address and the gateway. */
export function poolsFor(text: string, gateway: string | null): Pool[] {
  const cidr = cidrOf(text);
  const wide = cidr.version === 4 ? cidr.prefixLength < 31 : cidr.prefixLength < 127;
  const first = wide ? cidr.first + 1n : cidr.first;
  const last = cidr.version === 4 && wide ? cidr.last - 1n : cidr.last;
  const held = gateway === null ? undefined : parseIp(gateway)?.value;
  const spans =
    held === undefined || held < first || held > last
      ? [[first, last]]
      : [
          [first, held - 1n],
          [held + 1n, last],
        ];
  return spans.flatMap(([start = 0n, end = -1n]) =>
    start > end ? [] : [{ start: renderIp(cidr.version, start), end: renderIp(cidr.version, end) }],
  );
}

export function checkPools(subnet: Subnet): void {
  const cidr = cidrOf(subnet.cidr);
  const seen: { start: bigint; end: bigint; pool: Pool }[] = [];
  for (const pool of subnet.allocation_pools) {
    const [start, end] = [parseIp(pool.start), parseIp(pool.end)];
    if (
      start === undefined ||
      end === undefined ||
      start.version !== cidr.version ||
      end.version !== cidr.version ||
      start.value > end.value
    )
      throw fail(
        'invalid-allocation-pool',
        `The allocation pool ${pool.start}-${pool.end} is not valid.`,
      );
    if (!contains(cidr, start) || !contains(cidr, end))
      throw fail(
        'out-of-bounds-allocation-pool',
        `The allocation pool ${pool.start}-${pool.end} spans beyond the subnet cidr ${subnet.cidr}.`,
      );
    const other = seen.find((one) => one.start <= end.value && start.value <= one.end);
    if (other !== undefined)
      throw fail(
        'overlapping-allocation-pools',
        `Found overlapping allocation pools: ${other.pool.start}-${other.pool.end}, ${pool.start}-${pool.end} for subnet ${subnet.cidr}.`,
      );
    const gateway = subnet.gateway_ip === null ? undefined : parseIp(subnet.gateway_ip)?.value;
    if (gateway !== undefined && gateway >= start.value && gateway <= end.value)
      throw fail(
        'gateway-conflict-with-allocation-pools',
        `Gateway ip ${subnet.gateway_ip} conflicts with allocation pool ${pool.start}-${pool.end}.`,
      );
    seen.push({ start: start.value, end: end.value, pool });
  }
}
