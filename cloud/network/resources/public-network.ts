/** The external network that a new cloud has: made once, never again after somebody deleted it. */
import { bitsOf, cidrAt, cidrOf, overlaps, parseCidr, renderCidr } from '../addresses/ip.ts';
import { programFor } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { readBody } from '../model/attributes.ts';
import { claim, claimant } from '../model/store.ts';
import { networks } from './networks.ts';
import { subnets } from './subnets.ts';

/** The physical network whose other end is the machine itself. */
export const publicPhysical = 'public';

/** `range`, or the next of its size that none of these addresses is in. */
export function firstFreeRange(range: string, taken: readonly string[]): string {
  const used = taken.flatMap((text) => parseCidr(text) ?? []);
  let cidr = cidrOf(range);
  const size = 1n << BigInt(bitsOf(cidr.version) - cidr.prefixLength);
  while (used.some((one) => overlaps(one, cidr)))
    cidr = cidrAt(cidr.version, cidr.first + size, cidr.prefixLength);
  return renderCidr(cidr);
}

export async function ensurePublic(
  core: NetworkCore,
  projectId: string,
  range: string,
): Promise<void> {
  const marker = ['made at first start', 'public'] as const;
  if ((await claimant(core.db, ...marker)) !== undefined) return;
  await core.change(async (tx) => {
    if (!(await claim(tx, ...marker, 'first start'))) return;
    const change = { asker: programFor(projectId), explicit: new Set<string>() };
    const values = (attributes: Parameters<typeof readBody>[0], body: object) => ({
      ...readBody(attributes, body, 'post').values,
      project_id: projectId,
    });
    const [network, subnet] = [networks(core), subnets(core)];
    const made = await network.create?.(
      tx,
      values(network.attributes, {
        name: 'public',
        description: 'Reachable from the machine that this cloud runs on.',
        'router:external': true,
        is_default: true,
        'provider:network_type': 'flat',
        'provider:physical_network': publicPhysical,
      }),
      change,
      {},
    );
    if (made === undefined) return;
    const place = { network_id: made.id, ip_version: 4, cidr: range, enable_dhcp: false };
    await subnet.create?.(tx, values(subnet.attributes, { ...place, name: 'public' }), change, {});
  }, 'network subnets');
}

/** The first address of the range: the gateway that guests of `public` and its routers see. */
export async function publicLeg(core: NetworkCore): Promise<string | undefined> {
  const flat = (await core.list(core.db, 'network')).find(
    (one) => one['provider:physical_network'] === publicPhysical,
  );
  if (flat === undefined) return undefined;
  const subnets = await core.list(core.db, 'subnet', { by: { network_id: flat.id } });
  const four = subnets.find((one) => one.ip_version === 4 && one.gateway_ip !== null);
  if (four === undefined) return undefined;
  return `${four.gateway_ip}/${cidrOf(four.cidr).prefixLength}`;
}
