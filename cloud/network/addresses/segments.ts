/** What carries a network: its type, its physical network, its number there; each given out once. */
import type { NetworkCore, Tx } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import { claim, claimed } from '../model/store.ts';

export interface Segment {
  readonly 'provider:network_type': string;
  readonly 'provider:physical_network': string | null;
  readonly 'provider:segmentation_id': number | null;
}

const tunnels = ['geneve', 'vxlan', 'gre'];

/** Bytes that carrying costs, as upstream counts them over IPv4. */
const overheadOf: Readonly<Record<string, number>> = { geneve: 58, vxlan: 50, gre: 42 };

export const mtuOf = (type: string, mtu: number): number => mtu - (overheadOf[type] ?? 0);

interface Wanted {
  readonly type: string | undefined;
  readonly physical: string | undefined;
  readonly id: number | undefined;
}

export async function takeSegment(
  core: NetworkCore,
  tx: Tx,
  networkId: string,
  wanted: Wanted,
): Promise<Segment> {
  const type = wanted.type ?? core.settings.tenantNetworkType;
  if (wanted.type === undefined && (wanted.physical !== undefined || wanted.id !== undefined))
    throw fail('invalid-input', 'Invalid input for operation: network_type required.');
  if (type === 'flat') return await takeFlat(tx, networkId, wanted);
  if (type === 'vlan') return await takeVlan(core, tx, networkId, wanted);
  if (tunnels.includes(type)) return await takeTunnel(core, tx, networkId, type, wanted);
  throw fail(
    'invalid-input',
    `Invalid input for operation: network_type value '${type.slice(0, 32)}' not supported.`,
  );
}

async function takeFlat(tx: Tx, networkId: string, { physical, id }: Wanted): Promise<Segment> {
  if (physical === undefined)
    throw fail(
      'invalid-input',
      'Invalid input for operation: physical_network required for flat provider network.',
    );
  if (id !== undefined)
    throw fail(
      'invalid-input',
      'Invalid input for operation: segmentation_id prohibited for flat provider network.',
    );
  if (!(await claim(tx, 'segment flat', physical, networkId)))
    throw fail(
      'flat-network-in-use',
      `Unable to create the flat network. Physical network ${physical} is in use.`,
    );
  return segment('flat', physical, null);
}

const segment = (type: string, physical: string | null, id: number | null): Segment => ({
  'provider:network_type': type,
  'provider:physical_network': physical,
  'provider:segmentation_id': id,
});

async function takeVlan(
  core: NetworkCore,
  tx: Tx,
  networkId: string,
  wanted: Wanted,
): Promise<Segment> {
  const ranges = vlanRanges(core.settings.vlanRanges);
  if (wanted.id !== undefined) {
    if (wanted.physical === undefined)
      throw fail(
        'invalid-input',
        'Invalid input for operation: segmentation_id requires physical_network for VLAN provider network.',
      );
    if (wanted.id < 1 || wanted.id > 4_094)
      throw fail(
        'invalid-input',
        'Invalid input for operation: segmentation_id out of range (1 through 4094).',
      );
    if (!(await claim(tx, `segment vlan ${wanted.physical}`, String(wanted.id), networkId)))
      throw fail(
        'vlan-id-in-use',
        `Unable to create the network. The VLAN ${wanted.id} on physical network ${wanted.physical} is in use.`,
      );
    return segment('vlan', wanted.physical, wanted.id);
  }
  for (const { physical, first, last } of ranges) {
    if (wanted.physical !== undefined && physical !== wanted.physical) continue;
    const id = await takeFree(tx, `segment vlan ${physical}`, networkId, first, last);
    if (id !== undefined) return segment('vlan', physical, id);
  }
  throw noneLeft();
}

const noneLeft = () =>
  fail(
    'no-network-available',
    'Unable to create the network. No tenant network is available for allocation.',
  );

async function takeTunnel(
  core: NetworkCore,
  tx: Tx,
  networkId: string,
  type: string,
  { physical, id }: Wanted,
): Promise<Segment> {
  if (physical !== undefined)
    throw fail(
      'invalid-input',
      `Invalid input for operation: provider:physical_network specified for ${type} network.`,
    );
  const scope = `segment ${type}`;
  if (id !== undefined) {
    if (id < 1 || id > 16_777_215)
      throw badRequest(`Invalid input for operation: segmentation_id out of range.`);
    if (!(await claim(tx, scope, String(id), networkId)))
      throw fail(
        'tunnel-id-in-use',
        `Unable to create the network. The tunnel ID ${id} is in use.`,
      );
    return segment(type, null, id);
  }
  const free = await takeFree(tx, scope, networkId, 1, core.settings.tunnelIdsMax);
  if (free === undefined) throw noneLeft();
  return segment(type, null, free);
}

async function takeFree(
  tx: Tx,
  scope: string,
  networkId: string,
  first: number,
  last: number,
): Promise<number | undefined> {
  const step = 64;
  for (let at = first; at <= last; at += step) {
    const ids = Array.from({ length: Math.min(step, last - at + 1) }, (_, index) => at + index);
    const taken = await claimed(tx, scope, ids.map(String));
    for (const id of ids)
      if (!taken.has(String(id)) && (await claim(tx, scope, String(id), networkId))) return id;
  }
  return undefined;
}

export interface VlanRange {
  readonly physical: string;
  readonly first: number;
  readonly last: number;
}

/** `physnet1:100:200,physnet2`; a name alone has nothing to give out by itself. */
export function vlanRanges(text: string): VlanRange[] {
  return text
    .split(',')
    .map((part) => part.trim().split(':'))
    .flatMap(([physical = '', first, last]) =>
      physical === '' || first === undefined || last === undefined
        ? []
        : [{ physical, first: Number(first), last: Number(last) }],
    );
}
