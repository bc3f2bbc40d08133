/** Who may import whom, as data; docs/house-style.md §2 is the prose. */

/** Layer of each room; a room may import rooms of lower layers only. */
const layerOf: Readonly<Record<string, number>> = {
  common: 0,
  ring: 1,
  wire: 1,
  cluster: 2,
  'storage-node': 3,
  replicator: 3,
  proxy: 3,
  'block-gateway': 3,
  'compute-hooks': 3,
  cloud: 3,
  cli: 4,
};

/** Rooms that may import anything. */
const free = new Set(['test', 'bench', 'tools']);

/** What every service shares: those within `cloud/`, and the servers API, which lies beside it. */
const cloudShared = new Set(['#cloud/state', '#cloud/api', '#cloud/operations', '#cloud/quotas']);

/** Why `room` may not import `specifier` (`#other`), or undefined when it may. */
export function refusal(
  room: string,
  specifier: string,
  options: { readonly test: boolean },
): string | undefined {
  const other = specifier.slice(1).split('/')[0] ?? '';
  // The command line offers the benches as one of its commands.
  if (free.has(room) || (room === 'cli' && other === 'bench')) return undefined;
  const own = layerOf[room];
  const theirs = layerOf[other];
  if (theirs === undefined || own === undefined)
    return `${specifier} is no room that ${room} may import`;
  // A test may stand its room on real neighbours.
  if (options.test || theirs < own || room === other) return undefined;
  if ((room === 'cloud' || room === 'compute-hooks') && cloudShared.has(specifier))
    return undefined;
  return `${room} (layer ${own}) may not import ${specifier} (layer ${theirs})`;
}
