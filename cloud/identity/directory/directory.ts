/** A domain's users and groups in an LDAP directory, read with Keystone's `ldap` options. Nothing is ever written there. */
import { Failure, messageOf } from '#common';
import type { Config } from '../resources/projects/domain-config-options.ts';

export interface DirectoryUser {
  readonly dn: string;
  /** What the directory knows the user by, for good. */
  readonly externalId: string;
  readonly name: string;
  readonly email: string | undefined;
  readonly description: string | undefined;
  readonly enabled: boolean;
}

export interface DirectoryGroup {
  readonly externalId: string;
  readonly name: string;
  readonly description: string | undefined;
}

interface Entry {
  readonly dn: string;
  readonly [attribute: string]: unknown;
}

const timeoutMs = 10_000;

export class Directory {
  private readonly options: Readonly<Record<string, unknown>>;

  /** `config` is the domain's, upon upstream's defaults. */
  constructor(config: Config, defaults: Config) {
    this.options = { ...defaults.ldap, ...config.ldap };
  }

  findByName(name: string): Promise<DirectoryUser | undefined> {
    return this.findUser('user_name_attribute', name);
  }

  findById(externalId: string): Promise<DirectoryUser | undefined> {
    return this.findUser('user_id_attribute', externalId);
  }

  async list(max: number): Promise<DirectoryUser[]> {
    const entries = await this.search('user', '', max);
    return entries.flatMap((entry) => this.userIn(entry) ?? []);
  }

  async groupsOf(user: DirectoryUser): Promise<DirectoryGroup[]> {
    const member = this.option('group_members_are_ids') === 'true' ? user.externalId : user.dn;
    const filter = `(${this.option('group_member_attribute')}=${escaped(member)})`;
    const entries = await this.search('group', filter, 1_000);
    return entries.flatMap((entry) => {
      const externalId = this.valueOf(entry, 'group_id_attribute');
      const name = this.valueOf(entry, 'group_name_attribute');
      if (externalId === undefined || name === undefined) return [];
      return [{ externalId, name, description: this.valueOf(entry, 'group_desc_attribute') }];
    });
  }

  /** Whether this is the user's password: the directory is asked, by logging in as the user. */
  async proves(user: DirectoryUser, password: string): Promise<boolean> {
    // A bind without a password is one of nobody, and succeeds (RFC 4513 §5.1.2).
    if (password === '') return false;
    const { Client, InvalidCredentialsError } = await import('ldapts');
    const client = new Client(this.connection());
    try {
      await this.secure(client);
      await client.bind(user.dn, password);
      return true;
    } catch (error) {
      if (error instanceof InvalidCredentialsError) return false;
      throw unreachable(error);
    } finally {
      await client.unbind();
    }
  }

  private async findUser(attribute: string, value: string): Promise<DirectoryUser | undefined> {
    const filter = `(${this.option(attribute)}=${escaped(value)})`;
    const [entry, another] = await this.search('user', filter, 2);
    // Two of one name are nobody in particular.
    return entry === undefined || another !== undefined ? undefined : this.userIn(entry);
  }

  private async search(kind: 'user' | 'group', filter: string, max: number): Promise<Entry[]> {
    const { Client } = await import('ldapts');
    const client = new Client(this.connection());
    const own = this.option(`${kind}_filter`);
    const tree = this.option(`${kind}_tree_dn`);
    const base =
      tree === ''
        ? `ou=${kind === 'user' ? 'Users' : 'UserGroups'},${this.option('suffix')}`
        : tree;
    try {
      await this.secure(client);
      const bindDn = this.option('user');
      if (bindDn !== '') await client.bind(bindDn, this.option('password'));
      const { searchEntries } = await client.search(base, {
        scope: this.option('query_scope') === 'sub' ? 'sub' : 'one',
        filter: `(&(objectClass=${this.option(`${kind}_objectclass`)})${own}${filter})`,
        sizeLimit: max,
      });
      return searchEntries;
    } catch (error) {
      throw unreachable(error);
    } finally {
      await client.unbind();
    }
  }

  private userIn(entry: Entry): DirectoryUser | undefined {
    const externalId = this.valueOf(entry, 'user_id_attribute');
    const name = this.valueOf(entry, 'user_name_attribute');
    if (externalId === undefined || name === undefined) return undefined;
    return {
      dn: entry.dn,
      externalId,
      name,
      email: this.valueOf(entry, 'user_mail_attribute'),
      description: this.valueOf(entry, 'user_description_attribute'),
      enabled: this.isEnabled(this.valueOf(entry, 'user_enabled_attribute')),
    };
  }

  /** A word, or with a mask a bit that says disabled (as Active Directory has it); either way round. */
  private isEnabled(held: string | undefined): boolean {
    const mask = Number(this.option('user_enabled_mask'));
    const value = held ?? this.option('user_enabled_default');
    if (mask !== 0) return (Number(value) & mask) !== mask;
    const said = /^(true|1|yes)$/i.test(value);
    return this.option('user_enabled_invert') === 'true' ? !said : said;
  }

  private valueOf(entry: Entry, option: string): string | undefined {
    const wanted = this.option(option).toLowerCase();
    const found = Object.entries(entry).find(([name]) => name.toLowerCase() === wanted)?.[1];
    const first: unknown = Array.isArray(found) ? found[0] : found;
    if (first === undefined) return undefined;
    const text = Buffer.isBuffer(first) ? first.toString('utf8') : String(first);
    return text === '' ? undefined : text;
  }

  private connection() {
    const strict = this.option('tls_req_cert') !== 'never';
    return {
      url: this.option('url'),
      timeout: timeoutMs,
      connectTimeout: timeoutMs,
      ...(this.option('url').startsWith('ldaps:')
        ? { tlsOptions: { rejectUnauthorized: strict } }
        : {}),
    };
  }

  private async secure(client: { startTLS(options?: object): Promise<void> }): Promise<void> {
    if (this.option('use_tls') !== 'true') return;
    await client.startTLS({ rejectUnauthorized: this.option('tls_req_cert') !== 'never' });
  }

  private option(name: string): string {
    const value = this.options[name];
    return value === undefined || value === null ? '' : String(value);
  }
}

const unreachable = (error: unknown) =>
  new Failure(
    'unreachable',
    'directory-unreachable',
    `A directory of users cannot be asked: ${messageOf(error)}`,
    { cause: error },
  );

/** A value within a filter (RFC 4515 §3): what would mean something there is written as its code. */
export const escaped = (value: string): string =>
  value.replace(
    /[\\*()\0]/g,
    (letter) => `\\${letter.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
