/** Domain configuration in the state: a row an option, sealed when it is a secret. */
import type { Db, IdentityCore, Tx } from '../../core.ts';
import type { DomainConfigRow } from '../../tables.ts';
import { type Config, isSensitive } from './domain-config-options.ts';

const purposeOf = (row: Pick<DomainConfigRow, 'domain_id' | 'group_name' | 'option_name'>) =>
  `domain-config ${row.domain_id} ${row.group_name} ${row.option_name}`;

export class ConfigRows {
  private readonly core: IdentityCore;

  constructor(core: IdentityCore) {
    this.core = core;
  }

  /** `shown` leaves secrets out, as the API does. */
  async read(db: Db, domainId: string, what: 'all' | 'shown'): Promise<Config> {
    const rows = await db
      .selectFrom('identity_domain_config')
      .selectAll()
      .where('domain_id', '=', domainId)
      .orderBy('group_name')
      .orderBy('option_name')
      .execute();
    const config: Record<string, Record<string, unknown>> = {};
    for (const row of rows) {
      if (row.sensitive === 1 && what === 'shown') continue;
      const text =
        row.sensitive === 1 ? this.core.sealer.open(purposeOf(row), row.value) : row.value;
      config[row.group_name] = { ...config[row.group_name], [row.option_name]: JSON.parse(text) };
    }
    return config;
  }

  async replace(transaction: Tx, domainId: string, config: Config): Promise<void> {
    await this.remove(transaction, domainId, undefined, undefined);
    await this.merge(transaction, domainId, config);
  }

  async merge(transaction: Tx, domainId: string, config: Config): Promise<void> {
    for (const [group, options] of Object.entries(config)) {
      for (const [option, value] of Object.entries(options)) {
        const key = { domain_id: domainId, group_name: group, option_name: option };
        const secret = isSensitive(group, option);
        const text = JSON.stringify(value);
        const stored = secret ? this.core.sealer.seal(purposeOf(key), text) : text;
        await this.remove(transaction, domainId, group, option);
        await transaction
          .insertInto('identity_domain_config')
          .values({ ...key, value: stored, sensitive: secret ? 1 : 0 })
          .execute();
      }
    }
  }

  async remove(
    transaction: Tx,
    domainId: string,
    group: string | undefined,
    option: string | undefined,
  ): Promise<void> {
    let rows = transaction.deleteFrom('identity_domain_config').where('domain_id', '=', domainId);
    if (group !== undefined) rows = rows.where('group_name', '=', group);
    if (option !== undefined) rows = rows.where('option_name', '=', option);
    await rows.execute();
  }
}
