/** The first start: the default domain, the projects and roles everybody expects, and one administrator. */
import { type Disk, Failure, isFailure, type Random, readWhole, replaceWhole } from '#common';
import type { IdentityCore, Tx } from './core.ts';
import { insertUser } from './resources/actors/users.ts';
import { insertKeyPair, newKeyPair } from './resources/credentials/credentials.ts';
import { defaultDomainId, findDomain, insertDomain } from './resources/projects/domains.ts';
import { insertProject } from './resources/projects/projects.ts';
import { insertRole } from './resources/roles/roles.ts';
import type { AssignmentRow } from './tables.ts';

export interface AdminCredentials {
  readonly username: string;
  readonly password: string;
  readonly project: string;
  readonly domain: string;
  readonly accessKey: string;
  readonly secretKey: string;
}

/** One service of the catalog as `cli/` knows it; the URL may hold `%(project_id)s`. */
export interface CatalogEntry {
  readonly type: string;
  readonly name: string;
  readonly description?: string;
  readonly url: string;
}

export const regionId = 'RegionOne';
export const defaultDomainName = 'Default';

/** Strongest first; each implies the next. */
const roleChain = ['admin', 'manager', 'member', 'reader'] as const;
const projects = [
  { name: 'admin', description: 'The administrators of this cloud.' },
  { name: 'service', description: 'The services of this cloud.' },
  { name: 'demo', description: 'A project to try things in.' },
] as const;

/**
 * The administrator's first credentials: read from their file, or made and written there before anything else, so that
 * a crash right after the first start cannot leave a cloud whose password nobody knows.
 */
export async function ensureAdminCredentials(
  disk: Disk,
  path: string,
  random: Random,
): Promise<AdminCredentials> {
  if (await disk.exists(path)) return parseAdmin(await readWhole(disk, path, 65_536), path);
  const pair = newKeyPair(random);
  const admin: AdminCredentials = {
    username: 'admin',
    password: random.bytes(18).toString('base64url'),
    project: 'admin',
    domain: defaultDomainName,
    ...pair,
  };
  const document = { format: 'pileus-admin', version: 1, ...admin };
  await replaceWhole(disk, path, Buffer.from(`${JSON.stringify(document, null, 2)}\n`));
  return admin;
}

function parseAdmin(content: Buffer, path: string): AdminCredentials {
  const refuse = (why: string, cause?: unknown) =>
    new Failure('corrupt', 'admin-file-damaged', `The administrator's credentials: ${why}`, {
      facts: { path },
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw refuse('not JSON', error);
  }
  if (typeof value !== 'object' || value === null) throw refuse('not an object');
  const document: Record<string, unknown> = { ...value };
  if (document.format !== 'pileus-admin' || document.version !== 1)
    throw refuse('of another program or version');
  const text = (name: string): string => {
    const field = document[name];
    if (typeof field !== 'string' || field === '') throw refuse(`${name} is missing`);
    return field;
  };
  return {
    username: text('username'),
    password: text('password'),
    project: text('project'),
    domain: text('domain'),
    accessKey: text('accessKey'),
    secretKey: text('secretKey'),
  };
}

/** Fills an empty state; true when it was empty. What is there already stays as its administrators left it. */
export async function bootstrap(core: IdentityCore, admin: AdminCredentials): Promise<boolean> {
  if ((await findDomain(core.db, defaultDomainId)) !== undefined) return false;
  const passwordHash = await core.passwords.hash(admin.password);
  try {
    await core.change((transaction) => fill(core, transaction, admin, passwordHash));
    return true;
  } catch (error) {
    // Another controller was faster: its cloud is ours.
    if (isFailure(error, 'conflict')) return false;
    throw error;
  }
}

async function fill(
  core: IdentityCore,
  transaction: Tx,
  admin: AdminCredentials,
  passwordHash: string,
): Promise<void> {
  await insertDomain(core, transaction, { id: defaultDomainId, name: admin.domain });
  const roleIds = new Map<string, string>();
  for (const name of [...roleChain, 'service'])
    roleIds.set(name, (await insertRole(core, transaction, { name })).id);
  for (const [at, prior] of roleChain.entries()) {
    const implied = roleIds.get(roleChain[at + 1] ?? '');
    const priorId = roleIds.get(prior);
    if (implied === undefined || priorId === undefined) continue;
    await transaction
      .insertInto('identity_implied_role')
      .values({ prior_role_id: priorId, implied_role_id: implied })
      .execute();
  }
  const projectIds = new Map<string, string>();
  for (const project of projects) {
    const row = await insertProject(core, transaction, { ...project, domainId: defaultDomainId });
    projectIds.set(project.name, row.id);
  }
  const adminProjectId = projectIds.get(admin.project);
  const roleId = roleIds.get('admin');
  if (adminProjectId === undefined || roleId === undefined)
    throw new Failure('bug', 'bootstrap-incomplete', 'The first project or role is missing');
  const user = await insertUser(core, transaction, {
    name: admin.username,
    domainId: defaultDomainId,
    passwordHash,
    defaultProjectId: adminProjectId,
  });
  const grant = { actor_type: 'user', actor_id: user.id, role_id: roleId, inherited: 0 } as const;
  const grants: AssignmentRow[] = [
    { ...grant, target_type: 'project', target_id: adminProjectId },
    { ...grant, target_type: 'project', target_id: projectIds.get('demo') ?? adminProjectId },
    { ...grant, target_type: 'domain', target_id: defaultDomainId },
    { ...grant, target_type: 'system', target_id: 'system' },
  ];
  await transaction.insertInto('identity_assignment').values(grants).execute();
  await insertKeyPair(core, transaction, { userId: user.id, projectId: adminProjectId }, admin);
}

/**
 * Makes the catalog say where this program's services are now (ports may have changed since the last start).
 * Services that are not named stay as they are: operators register their own.
 */
export async function publishCatalog(
  core: IdentityCore,
  entries: readonly CatalogEntry[],
): Promise<void> {
  if (await isPublished(core, entries)) return;
  await core.change(async (transaction) => {
    await transaction
      .insertInto('identity_region')
      .values({ id: regionId, description: '', parent_region_id: null, extra: '{}' })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    for (const entry of entries) await publish(core, transaction, entry);
  });
}

const faces = ['public', 'internal', 'admin'] as const;

async function publish(core: IdentityCore, transaction: Tx, entry: CatalogEntry): Promise<void> {
  const known = await transaction
    .selectFrom('identity_service')
    .select('id')
    .where('type', '=', entry.type)
    .where('name', '=', entry.name)
    .executeTakeFirst();
  const serviceId = known?.id ?? core.newId();
  if (known === undefined) {
    const { type, name, description = null } = entry;
    await transaction
      .insertInto('identity_service')
      .values({ id: serviceId, type, name, description, enabled: 1, extra: '{}' })
      .execute();
  }
  for (const face of faces) {
    const changed = await transaction
      .updateTable('identity_endpoint')
      .set({ url: entry.url })
      .where('service_id', '=', serviceId)
      .where('interface', '=', face)
      .where('region_id', '=', regionId)
      .executeTakeFirst();
    if (changed.numUpdatedRows > 0n) continue;
    await transaction
      .insertInto('identity_endpoint')
      .values({
        id: core.newId(),
        service_id: serviceId,
        interface: face,
        region_id: regionId,
        url: entry.url,
        enabled: 1,
        extra: '{}',
      })
      .execute();
  }
}

/** Most starts change nothing, and a change makes every process forget what it knows. */
async function isPublished(core: IdentityCore, entries: readonly CatalogEntry[]): Promise<boolean> {
  const rows = await core.db
    .selectFrom('identity_endpoint')
    .innerJoin('identity_service', 'identity_service.id', 'identity_endpoint.service_id')
    .select(['type', 'name', 'interface', 'url'])
    .where('region_id', '=', regionId)
    .execute();
  return entries.every((entry) =>
    faces.every((face) =>
      rows.some(
        (row) =>
          row.type === entry.type &&
          row.name === entry.name &&
          row.interface === face &&
          row.url === entry.url,
      ),
    ),
  );
}
