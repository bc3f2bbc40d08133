/** IAM: what a project has as a whole, and kinds of things of which it never has any. */
import { ownerId } from '../owner-id.ts';
import { element, wrap } from '../xml/write.ts';
import { IamFailure } from './iam-failure.ts';
import { guarded } from './policy-actions.ts';
import type { Action, Query } from './query-api.ts';

async function count(entities: AsyncIterable<unknown>): Promise<number> {
  let found = 0;
  for await (const _ of entities) found++;
  return found;
}

function entry(key: string, value: number): string {
  return wrap('entry', element('key', key) + element('value', value));
}

async function summary({ accounts, caller }: Query): Promise<string> {
  const { users, groups, roles, policies } = accounts.store;
  const { account } = caller;
  const entries =
    entry('Users', await count(users.all(account))) +
    entry('Groups', await count(groups.all(account))) +
    entry('Roles', await count(roles.all(account))) +
    entry('Policies', await count(policies.all(account))) +
    entry('AccessKeysPerUserQuota', 2) +
    entry('GroupsPerUserQuota', 10) +
    entry('VersionsPerPolicyQuota', 5) +
    entry('MFADevices', 0) +
    entry('AccountMFAEnabled', 0);
  return wrap('SummaryMap', entries);
}

/** Tools look for these before they delete a user or a role: there are none, ever. */
const none: Readonly<Record<string, string>> = {
  ListAccountAliases: 'AccountAliases',
  ListInstanceProfiles: 'InstanceProfiles',
  ListInstanceProfilesForRole: 'InstanceProfiles',
  ListMFADevices: 'MFADevices',
  ListOpenIDConnectProviders: 'OpenIDConnectProviderList',
  ListSAMLProviders: 'SAMLProviderList',
  ListSSHPublicKeys: 'SSHPublicKeys',
  ListServerCertificates: 'ServerCertificateMetadataList',
  ListServiceSpecificCredentials: 'ServiceSpecificCredentials',
  ListSigningCertificates: 'Certificates',
  ListVirtualMFADevices: 'VirtualMFADevices',
};

const noPassword: Action = (query) => {
  throw new IamFailure(
    'NoSuchEntity',
    `Login Profile for User ${query.get('UserName')} cannot be found.`,
  );
};

export const accountActions: Readonly<Record<string, Action>> = guarded({
  ...Object.fromEntries(
    Object.entries(none).map(([name, list]): [string, Action] => [
      name,
      () => wrap(list, '') + element('IsTruncated', false),
    ]),
  ),
  GetAccountSummary: summary,
  GetLoginProfile: noPassword,
  DeleteLoginProfile: noPassword,
  /** When it was last used is not noted: as of a key that was not used since that is. */
  GetAccessKeyLastUsed: async ({ accounts, caller, get }) => {
    const key = await accounts.store.findKey(get('AccessKeyId'));
    if (key === undefined || ownerId(key.account) !== ownerId(caller.account))
      throw new IamFailure('AccessDenied', 'The access key is not one of this account.');
    return (
      element('UserName', key.user) +
      wrap('AccessKeyLastUsed', element('Region', 'N/A') + element('ServiceName', 'N/A'))
    );
  },
});
