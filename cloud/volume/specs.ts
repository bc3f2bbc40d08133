/** What extra specs and QoS specs of a volume type mean to the engine. */
import type { EngineQos, EngineTerms } from './engine.ts';
import { volumeFailure } from './failures.ts';
import { parseMap } from './fields.ts';
import type { QosRow, TypeRow } from './tables.ts';

/** Extra specs that everybody may see; the others are for administrators. */
export const visibleSpecs = ['RESKEY:availability_zones', 'multiattach', 'replication_enabled'];

/** `<is> True`, as extra specs spell a flag. */
export function isTrue(spec: string | undefined): boolean {
  return spec !== undefined && /^<is>\s*true$/i.test(spec.trim());
}

export function typeAllowsMultiattach(type: TypeRow): boolean {
  return isTrue(parseMap(type.specs_json).multiattach);
}

/** QoS specs that the gateway enforces, by Cinder's front-end names. */
const qosFields: Readonly<Record<string, keyof EngineQos>> = {
  total_iops_sec: 'iops',
  read_iops_sec: 'readIops',
  write_iops_sec: 'writeIops',
  total_bytes_sec: 'bytesPerS',
  read_bytes_sec: 'readBytesPerS',
  write_bytes_sec: 'writeBytesPerS',
  total_iops_sec_per_gb: 'iopsPerGib',
  total_bytes_sec_per_gb: 'bytesPerSPerGib',
};

/** Limits that hold wherever the specs say "front-end" or "back-end": one place enforces both. */
export function engineQos(qos: QosRow | undefined): EngineQos {
  if (qos === undefined) return {};
  const limits: Partial<Record<keyof EngineQos, number>> = {};
  for (const [name, value] of Object.entries(parseMap(qos.specs_json))) {
    const field = Object.hasOwn(qosFields, name) ? qosFields[name] : undefined;
    const limit = Number(value);
    if (field !== undefined && Number.isFinite(limit) && limit > 0) limits[field] = limit;
  }
  return limits;
}

/** Extra specs that the gateway keeps to: for how long any instant is kept (`3600`, `90m`, `12h`, `7d`), and what a flush waits for. */
export const retentionSpec = 'pileus:retention';
export const durabilitySpec = 'pileus:durability';

const unitS: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 };
const retentionSMax = 366 * 86_400;

/** Seconds; undefined when it is no such time. */
export function retentionOf(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd]?)$/.exec(text.trim()) ?? [];
  const seconds = count === '' ? Number.NaN : Number(count) * (unitS[unit] ?? Number.NaN);
  return seconds <= retentionSMax ? seconds : undefined;
}

export function isDurability(text: string): text is 'local' | 'replicated' {
  return text === 'local' || text === 'replicated';
}

/** Why an extra spec of ours cannot be kept to; undefined when it can, or is somebody else's. */
function badSpec(name: string, value: string): string | undefined {
  if (name === retentionSpec && retentionOf(value) === undefined)
    return `${retentionSpec} must be a time of at most 366 days such as 90m, 12h or 7d.`;
  if (name === durabilitySpec && !isDurability(value))
    return `${durabilitySpec} must be local or replicated.`;
  if (name.startsWith('pileus:') && name !== retentionSpec && name !== durabilitySpec)
    return `There is no extra spec ${name}; there are ${retentionSpec} and ${durabilitySpec}.`;
  return undefined;
}

/** Ours are kept to, so they have to be such as can be. */
export function refuseBadSpecs(specs: Readonly<Record<string, string | null>>): void {
  for (const [name, value] of Object.entries(specs)) {
    const why = badSpec(name, value ?? '');
    if (why !== undefined) throw volumeFailure('invalid-input', { why });
  }
}

export function engineTerms(specsJson: string): Omit<EngineTerms, 'qos'> {
  const specs = parseMap(specsJson);
  const durability = specs[durabilitySpec] ?? '';
  return {
    retentionS: retentionOf(specs[retentionSpec] ?? '0') ?? 0,
    ...(isDurability(durability) ? { durability } : {}),
  };
}

/** What the back end says of itself; extra specs without a scope, or of scope `capabilities`, are held against it. */
export const capabilities: Readonly<Record<string, string>> = {
  volume_backend_name: 'pileus',
  vendor_name: 'Pileus',
  storage_protocol: 'nbd',
  thin_provisioning_support: 'True',
  thick_provisioning_support: 'False',
  multiattach: 'True',
  online_extend_support: 'True',
  QoS_support: 'True',
};

/** The first extra spec that the back end does not meet. */
export function unfitSpec(specsJson: string): string | undefined {
  for (const [name, wanted] of Object.entries(parseMap(specsJson))) {
    const key = name.startsWith('capabilities:') ? name.slice('capabilities:'.length) : name;
    if (key.includes(':') || !Object.hasOwn(capabilities, key)) continue;
    const word = wanted.replace(/^(<is>|s==|==|=)\s*/i, '').trim();
    if (word.toLowerCase() !== capabilities[key]?.toLowerCase()) return name;
  }
  return undefined;
}
