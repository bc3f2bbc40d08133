/** IAM: policies of the project's own that several users, groups and roles share, in up to five versions. */
import { element, optionalElement, wrap } from '../xml/write.ts';
import { checkName, checkPolicy, pathOf, timeText } from './checks.ts';
import { IamFailure } from './iam-failure.ts';
import { pageOf } from './list-entities.ts';
import { managedArns, managedPolicy, managedSinceMs } from './managed-policies.ts';
import { guarded } from './policy-actions.ts';
import { findOwnPolicy, nameOfArn, noSuchPolicy, policyArn } from './policy-arns.ts';
import type { Action, Query } from './query-api.ts';
import type { Policy } from './store.ts';

const versionsMax = 5;

async function getPolicy({ accounts, caller }: Query, arn: string): Promise<Policy> {
  const policy = await findOwnPolicy(accounts.store, caller.account, arn);
  if (policy === undefined) throw noSuchPolicy(arn);
  return policy;
}

/** Those that every account has can be read as well, and look like policies with one version. */
function everybodys(arn: string): Policy | undefined {
  const text = managedPolicy(arn);
  if (text === undefined) return undefined;
  const createdMs = managedSinceMs;
  return {
    ...{ name: nameOfArn(arn), id: `ANPA${nameOfArn(arn).toUpperCase()}`, path: '/', createdMs },
    ...{ updatedMs: createdMs, description: '', used: 1, last: 1 },
    versions: [{ number: 1, createdMs, text }],
  };
}

const readPolicy = async (query: Query, arn: string): Promise<Policy> =>
  everybodys(arn) ?? (await getPolicy(query, arn));

/** How many users, groups and roles have each policy. */
async function countAttachments({ accounts, caller }: Query): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  const { users, groups, roles } = accounts.store;
  for (const shelf of [users, groups, roles])
    for await (const { attached } of shelf.all(caller.account))
      for (const arn of attached) counts.set(arn, (counts.get(arn) ?? 0) + 1);
  return counts;
}

function renderPolicy(arn: string, policy: Policy, attachments: number): string {
  return (
    element('PolicyName', policy.name) +
    element('PolicyId', policy.id) +
    element('Arn', arn) +
    element('Path', policy.path) +
    element('DefaultVersionId', `v${policy.used}`) +
    element('AttachmentCount', attachments) +
    element('PermissionsBoundaryUsageCount', 0) +
    element('IsAttachable', true) +
    optionalElement('Description', policy.description || undefined) +
    element('CreateDate', timeText(policy.createdMs)) +
    element('UpdateDate', timeText(policy.updatedMs))
  );
}

type Version = Policy['versions'][number];

function renderVersion(version: Version, used: number, withText: boolean): string {
  return (
    (withText ? element('Document', encodeURIComponent(version.text)) : '') +
    element('VersionId', `v${version.number}`) +
    element('IsDefaultVersion', version.number === used) +
    element('CreateDate', timeText(version.createdMs))
  );
}

function versionOf(query: Query, { versions }: Policy): Version {
  const id = query.get('VersionId');
  const version = versions.find(({ number }) => id === `v${number}`);
  if (version === undefined)
    throw new IamFailure('NoSuchEntity', `Policy version ${id} does not exist.`);
  return version;
}

const change = ({ accounts, caller }: Query, policy: Policy, next: (present: Policy) => Policy) =>
  accounts.store.policies.change(caller.account, policy.name, next);

async function listPolicies(query: Query): Promise<string> {
  const { accounts, caller } = query;
  const scope = query.find('Scope') ?? 'All';
  const onlyAttached = query.find('OnlyAttached') === 'true';
  const prefix = query.find('PathPrefix') ?? '/';
  const counts = await countAttachments(query);
  const page =
    scope === 'AWS'
      ? { entries: [], more: false, next: undefined }
      : await accounts.store.policies.list(caller.account, pageOf(query));
  const isFirst = query.find('Marker') === undefined;
  const shared = scope === 'Local' || !isFirst ? [] : managedArns;
  const all = [
    ...shared
      .flatMap((arn) => everybodys(arn) ?? [])
      .map((policy, at) => ({ policy, arn: shared[at] ?? '' })),
    ...page.entries.map((policy) => ({ policy, arn: policyArn(caller.account, policy) })),
  ];
  const members = all
    .filter(({ policy }) => policy.path.startsWith(prefix))
    .filter(({ arn }) => !onlyAttached || counts.has(arn))
    .map(({ policy, arn }) => wrap('member', renderPolicy(arn, policy, counts.get(arn) ?? 0)));
  return (
    wrap('Policies', members.join('')) +
    element('IsTruncated', page.more) +
    optionalElement('Marker', page.next)
  );
}

async function listHolders(query: Query): Promise<string> {
  const { accounts, caller } = query;
  const arn = query.get('PolicyArn');
  await readPolicy(query, arn);
  const { users, groups, roles } = accounts.store;
  const kinds = [
    { shelf: groups, word: 'Group' },
    { shelf: users, word: 'User' },
    { shelf: roles, word: 'Role' },
  ];
  let inner = '';
  for (const { shelf, word } of kinds) {
    let members = '';
    for await (const { name, id, attached } of shelf.all(caller.account))
      if (attached.includes(arn))
        members += wrap('member', element(`${word}Name`, name) + element(`${word}Id`, id));
    inner += wrap(`Policy${word}s`, members);
  }
  return inner + element('IsTruncated', false);
}

const actions: Readonly<Record<string, Action>> = {
  CreatePolicy: async (query) => {
    const { accounts, caller, nowMs } = query;
    const name = checkName(query.get('PolicyName'));
    const text = query.get('PolicyDocument');
    checkPolicy(text);
    const policy: Policy = {
      ...{ name, id: accounts.newId('ANPA'), path: pathOf(query), createdMs: nowMs },
      ...{ updatedMs: nowMs, description: query.find('Description') ?? '', used: 1, last: 1 },
      versions: [{ number: 1, createdMs: nowMs, text }],
    };
    await accounts.store.policies.create(caller.account, name, policy);
    return wrap('Policy', renderPolicy(policyArn(caller.account, policy), policy, 0));
  },
  GetPolicy: async (query) => {
    const arn = query.get('PolicyArn');
    const policy = await readPolicy(query, arn);
    const counts = await countAttachments(query);
    return wrap('Policy', renderPolicy(arn, policy, counts.get(arn) ?? 0));
  },
  ListPolicies: listPolicies,
  DeletePolicy: async (query) => {
    const { accounts, caller } = query;
    const arn = query.get('PolicyArn');
    const policy = await getPolicy(query, arn);
    if ((await countAttachments(query)).has(arn))
      throw new IamFailure('DeleteConflict', 'Cannot delete a policy attached to entities.');
    await accounts.store.policies.remove(caller.account, policy.name, ({ versions }) => {
      if (versions.length > 1)
        throw new IamFailure(
          'DeleteConflict',
          'This policy has more than one version. Before you delete a policy, you must delete the policy versions that are not the default.',
        );
    });
    return '';
  },
  CreatePolicyVersion: async (query) => {
    const policy = await getPolicy(query, query.get('PolicyArn'));
    const text = query.get('PolicyDocument');
    checkPolicy(text);
    const isUsed = query.find('SetAsDefault') === 'true';
    let made: Version = { number: 0, createdMs: query.nowMs, text };
    await change(query, policy, (present) => {
      if (present.versions.length >= versionsMax)
        throw new IamFailure(
          'LimitExceeded',
          `A managed policy can have up to ${versionsMax} versions. Before you create a new version, you must delete an existing one.`,
        );
      const number = present.last + 1;
      made = { ...made, number };
      const used = isUsed ? number : present.used;
      const versions = [...present.versions, made];
      return { ...present, versions, used, last: number, updatedMs: query.nowMs };
    });
    return wrap('PolicyVersion', renderVersion(made, isUsed ? made.number : 0, false));
  },
  GetPolicyVersion: async (query) => {
    const policy = await readPolicy(query, query.get('PolicyArn'));
    return wrap('PolicyVersion', renderVersion(versionOf(query, policy), policy.used, true));
  },
  ListPolicyVersions: async (query) => {
    const { versions, used } = await readPolicy(query, query.get('PolicyArn'));
    const members = versions
      .toReversed()
      .map((each) => wrap('member', renderVersion(each, used, false)));
    return wrap('Versions', members.join('')) + element('IsTruncated', false);
  },
  SetDefaultPolicyVersion: async (query) => {
    const policy = await getPolicy(query, query.get('PolicyArn'));
    await change(query, policy, (present) => ({
      ...present,
      used: versionOf(query, present).number,
      updatedMs: query.nowMs,
    }));
    return '';
  },
  DeletePolicyVersion: async (query) => {
    const policy = await getPolicy(query, query.get('PolicyArn'));
    await change(query, policy, (present) => {
      const { number } = versionOf(query, present);
      if (number === present.used)
        throw new IamFailure('DeleteConflict', 'Cannot delete the default version of a policy.');
      return { ...present, versions: present.versions.filter((each) => each.number !== number) };
    });
    return '';
  },
  ListEntitiesForPolicy: listHolders,
};

export const sharedPolicyActions: Readonly<Record<string, Action>> = guarded(actions);
