/** What OVN's northbound database should hold: rows by keys of ours, which refer to one another by these keys. */
import { messageOf } from '#common';
import type { Kind } from '../model/documents.ts';
import type { Value } from '../ovsdb/values.ts';

/** The resource of the API that a row is made of: the one to blame when OVN will not have the row. */
export interface Subject {
  readonly kind: Kind;
  readonly id: string;
}

export interface DesiredRow {
  /** Stands in the row's `external_ids` and tells it from all others. */
  readonly key: string;
  readonly table: string;
  readonly columns: Readonly<Record<string, Value>>;
  /** Rows of the cloud's own have none. */
  readonly subject: Subject | undefined;
}

export const keyName = 'pileus:key';

/** Table → the columns that are ours; all others are OVN's or nobody's. */
export const managed: Readonly<Record<string, readonly string[]>> = {
  Logical_Switch: ['name', 'ports', 'qos_rules', 'dns_records', 'other_config', 'external_ids'],
  Logical_Switch_Port: [
    'name',
    'type',
    'options',
    'addresses',
    'port_security',
    'enabled',
    'parent_name',
    'tag',
    'tag_request',
    'dhcpv4_options',
    'dhcpv6_options',
    'external_ids',
  ],
  Logical_Router: [
    'name',
    'ports',
    'nat',
    'static_routes',
    'load_balancer',
    'enabled',
    'options',
    'external_ids',
  ],
  Logical_Router_Port: [
    'name',
    'mac',
    'networks',
    'gateway_chassis',
    'options',
    'ipv6_ra_configs',
    'external_ids',
  ],
  Logical_Router_Static_Route: ['ip_prefix', 'nexthop', 'external_ids'],
  NAT: ['type', 'external_ip', 'logical_ip', 'external_ids'],
  Gateway_Chassis: ['name', 'chassis_name', 'priority', 'external_ids'],
  Port_Group: ['name', 'ports', 'acls', 'external_ids'],
  ACL: ['direction', 'priority', 'match', 'action', 'options', 'external_ids'],
  Address_Set: ['name', 'addresses', 'external_ids'],
  DHCP_Options: ['cidr', 'options', 'external_ids'],
  Load_Balancer: ['name', 'vips', 'protocol', 'external_ids'],
  QoS: ['direction', 'priority', 'match', 'action', 'bandwidth', 'external_ids'],
  DNS: ['records', 'external_ids'],
};

export const followed: Readonly<Record<string, readonly string[]>> = {
  ...managed,
  Logical_Switch_Port: [...(managed.Logical_Switch_Port ?? []), 'up'],
};

export class Desired {
  readonly rows = new Map<string, DesiredRow>();
  /** Resources of which no rows could be made, and why. */
  readonly unrendered: { readonly subject: Subject; readonly reason: string }[] = [];

  add(table: string, key: string, columns: DesiredRow['columns'], subject?: Subject): string {
    const external =
      typeof columns.external_ids === 'object' && 'map' in columns.external_ids
        ? columns.external_ids.map
        : {};
    const external_ids = { map: { ...external, [keyName]: key } };
    this.rows.set(key, { key, table, columns: { ...columns, external_ids }, subject });
    return key;
  }

  /** Makes one resource's rows. One of which none can be made goes without, and leaves all others theirs. */
  of<T>(subject: Subject, render: () => T): T | undefined {
    try {
      return render();
    } catch (error) {
      this.unrendered.push({ subject, reason: messageOf(error) });
      return undefined;
    }
  }
}
