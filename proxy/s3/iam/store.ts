/** Users and roles of a project, with their policies, and users' access keys. */
import { type Static, type TSchema, Type } from 'typebox';
import { Value } from 'typebox/value';
import type { Page, Records } from '../../objects/index.ts';
import { IamFailure } from './iam-failure.ts';
import type { PageOptions } from './list-entities.ts';

const Policies = Type.Record(Type.String(), Type.String());

const UserDocument = Type.Object({
  name: Type.String(),
  id: Type.String(),
  path: Type.String(),
  createdMs: Type.Number(),
  policies: Policies,
  attached: Type.Array(Type.String()),
  keys: Type.Array(
    Type.Object({
      id: Type.String(),
      createdMs: Type.Number(),
      active: Type.Boolean(),
    }),
  ),
});
export type User = Static<typeof UserDocument>;

const RoleDocument = Type.Object({
  name: Type.String(),
  id: Type.String(),
  path: Type.String(),
  createdMs: Type.Number(),
  policies: Policies,
  attached: Type.Array(Type.String()),
  trust: Type.String(),
  maxSessionS: Type.Number(),
  description: Type.String(),
});
export type Role = Static<typeof RoleDocument>;

const KeyDocument = Type.Object({
  account: Type.String(),
  user: Type.String(),
  sealed: Type.String(),
});
export type StoredKey = Static<typeof KeyDocument>;

export class IamStore {
  private readonly records: Records;

  constructor(records: Records) {
    this.records = records;
  }

  async findUser(account: string, name: string): Promise<User | undefined> {
    return parse(UserDocument, await this.records.find({ kind: 'iam-user', owner: account, name }));
  }

  async getUser(account: string, name: string): Promise<User> {
    const user = await this.findUser(account, name);
    if (user !== undefined) return user;
    throw new IamFailure('NoSuchEntity', `The user with name ${name} cannot be found.`);
  }

  async listUsers(owner: string, options: PageOptions): Promise<Page<User>> {
    const page = await this.records.list({ kind: 'iam-user', owner }, options);
    return {
      ...page,
      entries: page.entries.flatMap(({ text }) => parse(UserDocument, text) ?? []),
    };
  }

  /** `change` sees what is there, returns what is to be there, or undefined for nothing. */
  async changeUser(
    account: string,
    name: string,
    change: (present: User | undefined) => User | undefined,
  ): Promise<void> {
    await this.records.update({ kind: 'iam-user', owner: account, name }, (text) => {
      const next = change(parse(UserDocument, text));
      return next && JSON.stringify(next);
    });
  }

  async findRole(account: string, name: string): Promise<Role | undefined> {
    return parse(RoleDocument, await this.records.find({ kind: 'iam-role', owner: account, name }));
  }

  async getRole(account: string, name: string): Promise<Role> {
    const role = await this.findRole(account, name);
    if (role !== undefined) return role;
    throw new IamFailure('NoSuchEntity', `The role with name ${name} cannot be found.`);
  }

  async listRoles(owner: string, options: PageOptions): Promise<Page<Role>> {
    const page = await this.records.list({ kind: 'iam-role', owner }, options);
    return {
      ...page,
      entries: page.entries.flatMap(({ text }) => parse(RoleDocument, text) ?? []),
    };
  }

  async changeRole(
    account: string,
    name: string,
    change: (present: Role | undefined) => Role | undefined,
  ): Promise<void> {
    await this.records.update({ kind: 'iam-role', owner: account, name }, (text) => {
      const next = change(parse(RoleDocument, text));
      return next && JSON.stringify(next);
    });
  }

  async findKey(accessKey: string): Promise<StoredKey | undefined> {
    return parse(KeyDocument, await this.records.find(keyPlace(accessKey)));
  }

  async putKey(accessKey: string, key: StoredKey | undefined): Promise<void> {
    await this.records.update(keyPlace(accessKey), () => key && JSON.stringify(key));
  }
}

function keyPlace(accessKey: string) {
  return { kind: 'iam-key', owner: accessKey, name: '' };
}

function parse<T extends TSchema>(schema: T, text: string | undefined): Static<T> | undefined {
  return text === undefined ? undefined : Value.Parse(schema, JSON.parse(text));
}
