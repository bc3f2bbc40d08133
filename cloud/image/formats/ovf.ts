/** The OVF description: which files it names, which of them are disks, and how large those are. */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import {
  type ContentFormat,
  checkedSize,
  type Inspection,
  type InspectionLimits,
  refuse,
} from './inspection.ts';

export interface OvfDisk {
  readonly file: string;
  readonly virtualBytes: number;
}

type Node = Readonly<Record<string, unknown>>;

// No entities: a description that defines its own could grow without bound.
const parser = new XMLParser({
  ignoreAttributes: false,
  attributeNamePrefix: '@',
  removeNSPrefix: true,
  processEntities: false,
  parseTagValue: false,
  parseAttributeValue: false,
});

export function readOvf(bytes: Buffer, format: ContentFormat, limits: InspectionLimits): OvfDisk[] {
  const text = bytes.toString('utf8');
  if (/<!(DOCTYPE|ENTITY)/i.test(text)) throw refuse(format, 'its description defines entities');
  if (depthOf(text) > 64 || XMLValidator.validate(text) !== true)
    throw refuse(format, 'its description is no XML');
  const root = parse(text, format);
  const envelope = child(root, 'Envelope');
  if (envelope === undefined) throw refuse(format, 'its description is no OVF');
  const files = filesOf(envelope, format);
  const disks = children(child(envelope, 'DiskSection'), 'Disk').flatMap((disk) => {
    const reference = attribute(disk, 'fileRef');
    // A disk without a file is an empty one that a hypervisor would make.
    if (reference === undefined) return [];
    const file = files.get(reference);
    if (file === undefined) throw refuse(format, 'a disk names a file that is not listed');
    return [{ file, virtualBytes: checkedSize(format, capacityOf(disk, format), limits) }];
  });
  const kept = disks.reduce((sum, { virtualBytes }) => sum + virtualBytes, 0);
  checkedSize(format, BigInt(Math.max(kept, 1)), limits);
  return disks;
}

/** The validator lets a little through that the parser then stumbles on. */
function parse(text: string, format: ContentFormat): unknown {
  try {
    return parser.parse(text);
  } catch (error) {
    if (error instanceof Error) throw refuse(format, 'its description is no XML');
    throw error;
  }
}

/** An OVF alone: the description without its disks. */
export function inspectOvf(bytes: Buffer, limits: InspectionLimits): Inspection {
  const disks = readOvf(bytes, 'ovf', limits);
  const virtualBytes = disks.reduce((sum, disk) => sum + disk.virtualBytes, 0);
  return { format: 'ovf', virtualBytes };
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (const [tag] of text.matchAll(/<[^!?][^<>]*>/g)) {
    if (tag.startsWith('</')) depth--;
    else if (!tag.endsWith('/>')) depth++;
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}

function filesOf(envelope: Node, format: ContentFormat): Map<string, string> {
  const files = new Map<string, string>();
  for (const file of children(child(envelope, 'References'), 'File')) {
    const id = attribute(file, 'id');
    const href = attribute(file, 'href');
    if (id === undefined || href === undefined)
      throw refuse(format, 'its description names a file without a place');
    if (/[/\\:]/.test(href)) throw refuse(format, 'its description names a file elsewhere');
    const compression = attribute(file, 'compression') ?? 'identity';
    if (compression !== 'identity' && compression !== '')
      throw refuse(format, 'its disks are compressed a second time');
    if (attribute(file, 'chunkSize') !== undefined)
      throw refuse(format, 'its disks are cut in pieces');
    files.set(id, href);
  }
  return files;
}

/** `capacity` counts units such as `byte * 2^30`; without any, bytes. */
function capacityOf(disk: Node, format: ContentFormat): bigint {
  const capacity = attribute(disk, 'capacity') ?? '';
  if (!/^\d{1,19}$/.test(capacity)) throw refuse(format, 'a disk does not say its capacity');
  const units = attribute(disk, 'capacityAllocationUnits') ?? 'byte';
  const match = /^\s*bytes?\s*(?:\*\s*2\^(\d{1,2}))?\s*$/i.exec(units);
  if (match === null) throw refuse(format, 'a disk counts its capacity in unknown units');
  return BigInt(capacity) << BigInt(match[1] ?? 0);
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function children(node: Node | undefined, name: string): Node[] {
  const found = node?.[name];
  return (Array.isArray(found) ? found : [found]).filter(isNode);
}

function child(node: unknown, name: string): Node | undefined {
  return isNode(node) ? children(node, name)[0] : undefined;
}

function attribute(node: Node, name: string): string | undefined {
  const value = node[`@${name}`];
  return typeof value === 'string' ? value : undefined;
}
