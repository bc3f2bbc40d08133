/**
 * Containers: a row under the account, a name in the shared registry, and the partition keys of its object rows.
 *
 * Deleting one: keep this process's writers out → mark the row as being deleted, which others see → count every shard →
 * not empty: take the mark back; empty: delete the row, then the registered name.
 */
import type { RowValue, StoredRow } from '#cluster';
import { randomUuid } from '#common';
import { createNames, type NameRegistry } from './bucket-names.ts';
import type {
  Container,
  ContainerService,
  ContainerUsage,
  CreateContainer,
} from './container-service.ts';
import type { ObjectContext } from './context.ts';
import { objectFailure } from './failures.ts';
import { noFields } from './fields.ts';
import { listObjects } from './object-listing.ts';
import { encodeJsonRow, JsonRow } from './rows/json-row.ts';
import { containerRef, objectTable, shardPartition, versionTable } from './rows/tables.ts';
import { listVersions } from './versions/list-versions.ts';
import { versioningOf } from './versions/versioning.ts';

export const defaultPolicy = 'default';
const nameBytesMax = 256;

interface ContainerRow {
  readonly container: Container;
  readonly deleting: boolean;
}

export function createContainers(context: ObjectContext): ContainerService {
  const names = createNames(context, async (account, name) => {
    const row = await context.tables.get(containerRef(account, name));
    return row === undefined ? undefined : decodeContainer(account, row);
  });
  return {
    open: (account, name) => openContainer(context, account, name),
    remembered: (account, name) => context.cache.find(account, name),
    resolve: (name, account) => resolveContainer(context, names, name, account),
    usage: (container) => countContainer(context, container),
    create: (request) => createContainer(context, names, request),
    update: (account, name, change) => updateContainer(context, account, name, change),
    delete: (account, name) => deleteContainer(context, names, account, name),
    list: (container, request) => listObjects(context, container, request),
    listVersions: (container, request) => listVersions(context, container, request),
    forget: (account, name) => context.cache.forget(account, name),
  };
}

function missing(account: string, name: string): Error {
  return objectFailure('container-missing', 'There is no such container', {
    facts: { account, container: name },
  });
}

function decodeRow(account: string, row: StoredRow): ContainerRow {
  const values = new JsonRow('c', row.meta);
  const container: Container = {
    account,
    name: row.sort,
    id: values.text('id'),
    createdUs: values.number('createdUs'),
    modifiedUs: values.number('modifiedUs'),
    policy: values.text('policy'),
    shards: values.number('shards'),
    metadata: values.fields('metadata'),
    system: values.fields('system'),
  };
  return { container, deleting: values.number('deleting') === 1 };
}

export function decodeContainer(account: string, row: StoredRow): Container {
  return decodeRow(account, row).container;
}

function encodeContainer(container: Container, deleting: boolean): RowValue {
  const { account: _, name: __, ...kept } = container;
  const meta = encodeJsonRow('c', { ...kept, deleting: deleting ? 1 : 0 });
  return { meta, bytes: 0, body: Buffer.alloc(0) };
}

async function openContainer(
  context: ObjectContext,
  account: string,
  name: string,
): Promise<Container> {
  const cached = context.cache.find(account, name);
  if (cached !== undefined) return cached;
  const row = await context.tables.get(containerRef(account, name));
  if (row === undefined) throw missing(account, name);
  const { container, deleting } = decodeRow(account, row);
  // A mark that stayed behind (its process died) must not hide a container with objects in it: readers see it,
  // only the cache does not hold it. Whoever creates or deletes it again settles the mark.
  if (!deleting) context.cache.remember(container);
  return container;
}

async function resolveContainer(
  context: ObjectContext,
  names: NameRegistry,
  name: string,
  account: string | undefined,
): Promise<Container> {
  if (account !== undefined) {
    const cached = context.cache.find(account, name);
    if (cached !== undefined) return cached;
    const own = await context.tables.get(containerRef(account, name));
    if (own !== undefined) return await openContainer(context, account, name);
  }
  const owner = await names.find(name);
  if (owner === undefined) throw missing(account ?? '', name);
  return await openContainer(context, owner, name);
}

export async function countContainer(
  context: ObjectContext,
  container: Container,
): Promise<ContainerUsage> {
  let objects = 0;
  let bytes = 0;
  for (let shard = 0; shard < container.shards; shard++) {
    const totals = await context.tables.totals(objectTable, shardPartition(container, shard));
    objects += totals.rows;
    bytes += totals.bytes;
  }
  if (versioningOf(container) === 'off') return { objects, bytes };
  let versions = 0;
  let versionBytes = 0;
  for (let shard = 0; shard < container.shards; shard++) {
    const totals = await context.tables.totals(versionTable, shardPartition(container, shard));
    versions += totals.rows;
    versionBytes += totals.bytes;
  }
  return { objects, bytes, versions, versionBytes };
}

function checkName(name: string): void {
  const good = name.length > 0 && Buffer.byteLength(name) <= nameBytesMax && !/[/\0]/.test(name);
  if (good && name.isWellFormed()) return;
  throw objectFailure('name-invalid', 'This cannot be the name of a container', {
    facts: { length: name.length },
  });
}

async function createContainer(
  context: ObjectContext,
  names: NameRegistry,
  request: CreateContainer,
): Promise<{ readonly container: Container; readonly created: boolean }> {
  checkName(request.name);
  context.coding.check(request.policy ?? defaultPolicy);
  // The shared name first: a bucket whose name cannot be had must not come into being.
  const owner = await names.claim(request.name, request.account);
  if (request.globalName === true && owner !== request.account)
    throw objectFailure('container-name-taken', 'Another account has this name', {
      facts: { container: request.name },
    });
  const nowUs = context.clock.nowUs();
  const fresh: Container = {
    account: request.account,
    name: request.name,
    id: randomUuid(context.random),
    createdUs: nowUs,
    modifiedUs: nowUs,
    policy: request.policy ?? defaultPolicy,
    shards: 1,
    metadata: request.metadata ?? noFields,
    system: request.system ?? noFields,
  };
  let container = fresh;
  await context.tables.update(containerRef(request.account, request.name), (present) => {
    container = fresh;
    if (present === undefined) return encodeContainer(fresh, false);
    container = decodeContainer(request.account, present);
    if (request.exclusive === true)
      throw objectFailure('container-exists', 'There is such a container already', {
        facts: { container: request.name },
      });
    return 'keep';
  });
  context.cache.forget(request.account, request.name);
  return { container, created: container === fresh };
}

async function updateContainer(
  context: ObjectContext,
  account: string,
  name: string,
  change: Parameters<ContainerService['update']>[2],
): Promise<Container> {
  let next: Container | undefined;
  await context.tables.update(containerRef(account, name), (present) => {
    if (present === undefined) throw missing(account, name);
    const { container, deleting } = decodeRow(account, present);
    next = { ...container, ...change(container), modifiedUs: context.clock.nowUs() };
    return encodeContainer(next, deleting);
  });
  context.cache.forget(account, name);
  if (next === undefined) throw missing(account, name);
  return next;
}

async function deleteContainer(
  context: ObjectContext,
  names: NameRegistry,
  account: string,
  name: string,
): Promise<void> {
  const ref = containerRef(account, name);
  const row = await context.tables.get(ref);
  if (row === undefined) throw missing(account, name);
  const container = decodeContainer(account, row);
  context.cache.forget(account, name);
  await context.cache.deleting(container, async () => {
    await setMark(context, container, true);
    const { objects, versions = 0 } = await countContainer(context, container);
    // Gravestones count as rows and are none of its objects.
    const older =
      versions > 0 ? (await listVersions(context, container, { limit: 1 })).entries.length : 0;
    if (objects > 0 || older > 0) {
      await setMark(context, container, false);
      throw objectFailure('container-not-empty', 'There are objects in the container', {
        facts: { container: name, objects },
      });
    }
    await context.tables.update(ref, (present) => {
      if (present === undefined) return 'keep';
      return decodeContainer(account, present).id === container.id ? 'delete' : 'keep';
    });
    context.cache.bury(container);
    context.cache.forget(account, name);
    await names.release(name, account);
  });
}

async function setMark(
  context: ObjectContext,
  container: Container,
  deleting: boolean,
): Promise<void> {
  const { account, name } = container;
  await context.tables.update(containerRef(account, name), (present) => {
    if (present === undefined) throw missing(account, name);
    const now = decodeRow(account, present);
    if (now.container.id !== container.id) throw missing(account, name);
    return now.deleting === deleting ? 'keep' : encodeContainer(now.container, deleting);
  });
}
