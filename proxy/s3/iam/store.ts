/** Users, groups, roles and policies of a project, and users' access keys. */
import { type Static, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Records } from '../../objects/index.ts';
import { Shelf } from './shelf.ts';

const Texts = Type.Record(Type.String(), Type.String());

const common = {
  name: Type.String(),
  id: Type.String(),
  path: Type.String(),
  createdMs: Type.Number(),
};

const holder = {
  ...common,
  policies: Texts,
  /** ARNs of policies that are shared. */
  attached: Type.Array(Type.String()),
};

const UserDocument = Type.Object({
  ...holder,
  keys: Type.Array(
    Type.Object({ id: Type.String(), createdMs: Type.Number(), active: Type.Boolean() }),
  ),
  /** Names. */
  groups: Type.Optional(Type.Array(Type.String())),
  tags: Type.Optional(Texts),
});
export type User = Static<typeof UserDocument>;

const GroupDocument = Type.Object(holder);
export type Group = Static<typeof GroupDocument>;

const RoleDocument = Type.Object({
  ...holder,
  trust: Type.String(),
  maxSessionS: Type.Number(),
  description: Type.String(),
  tags: Type.Optional(Texts),
});
export type Role = Static<typeof RoleDocument>;

const PolicyDocument = Type.Object({
  ...common,
  updatedMs: Type.Number(),
  description: Type.String(),
  /** Number of the version that counts. */
  used: Type.Number(),
  /** Of the last version ever made: numbers do not come back. */
  last: Type.Number(),
  versions: Type.Array(
    Type.Object({ number: Type.Number(), createdMs: Type.Number(), text: Type.String() }),
  ),
  tags: Type.Optional(Texts),
});
export type Policy = Static<typeof PolicyDocument>;

const KeyDocument = Type.Object({
  account: Type.String(),
  user: Type.String(),
  sealed: Type.String(),
});
export type StoredKey = Static<typeof KeyDocument>;

export class IamStore {
  readonly users: Shelf<typeof UserDocument>;
  readonly groups: Shelf<typeof GroupDocument>;
  readonly roles: Shelf<typeof RoleDocument>;
  readonly policies: Shelf<typeof PolicyDocument>;
  private readonly records: Records;

  constructor(records: Records) {
    this.records = records;
    this.users = new Shelf({ records, kind: 'iam-user', word: 'User', schema: UserDocument });
    this.groups = new Shelf({ records, kind: 'iam-group', word: 'Group', schema: GroupDocument });
    this.roles = new Shelf({ records, kind: 'iam-role', word: 'Role', schema: RoleDocument });
    this.policies = new Shelf({
      ...{ records, kind: 'iam-policy', word: 'Policy', schema: PolicyDocument },
    });
  }

  async findKey(accessKey: string): Promise<StoredKey | undefined> {
    const text = await this.records.find(keyPlace(accessKey));
    return text === undefined ? undefined : Value.Parse(KeyDocument, JSON.parse(text));
  }

  async putKey(accessKey: string, key: StoredKey | undefined): Promise<void> {
    await this.records.update(keyPlace(accessKey), () => key && JSON.stringify(key));
  }

  /** Whose the key is from now on: a user's name changed. */
  async renameKey(accessKey: string, user: string): Promise<void> {
    const key = await this.findKey(accessKey);
    if (key !== undefined) await this.putKey(accessKey, { ...key, user });
  }
}

function keyPlace(accessKey: string) {
  return { kind: 'iam-key', owner: accessKey, name: '' };
}
