/** Address groups: named lists of prefixes that rules of security groups speak of. */
import type { Caller, Route } from '#cloud/api';
import { parseCidr, renderCidr } from '../addresses/ip.ts';
import { askerOf, type Request, route } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import { atStart, type Input, type Reader, shown, standard, Wrong } from '../model/attributes.ts';
import type { AddressGroup } from '../model/documents.ts';
import { getVisible } from '../model/policing.ts';
import { ipOrCidr, listOf, name } from '../model/readers.ts';
import type { Resource } from '../model/resource.ts';
import { AnyBody, param } from '../model/routes.ts';
import { sharedWith } from '../model/sharing.ts';
import { plainView } from '../model/views.ts';
import { unshare } from './rbac-grants.ts';

const entry: Reader = (value) => {
  ipOrCidr(value);
  const cidr = parseCidr(String(value));
  if (cidr === undefined) throw new Wrong(`'${String(value)}' is not a valid IP subnet`);
  return renderCidr(cidr);
};
const addresses = listOf(entry, 1_000);

const attributes = {
  ...standard(name),
  addresses: atStart(addresses, [], { filter: false, sort: false }),
  shared: shown({ sort: false }),
};

export function addressGroups(core: NetworkCore): Resource<'address_group'> {
  return {
    kind: 'address_group',
    member: 'address_group',
    collection: 'address_groups',
    path: '/v2.0/address-groups',
    rule: 'address_group',
    attributes,
    sharedAs: 'address_group',
    indexed: { name: 'name' },
    views: async (db, documents, asker) => {
      const shared = await sharedWith(core, db, 'address_group', asker.projectId);
      return documents.map((group) => ({
        ...plainView(attributes, group),
        shared: shared.has(group.id),
      }));
    },
    // Read by the attributes above.
    create: (tx, values) =>
      core.insert(tx, 'address_group', {
        ...(values as unknown as AddressGroup),
        id: core.newId(),
      }),
    update: (tx, before, values) => core.update(tx, 'address_group', before, values),
    remove: async (tx, group) => {
      const rules = await core.list(tx, 'security_group_rule', {
        by: { remote_address_group_id: group.id },
      });
      if (rules.length > 0)
        throw fail(
          'address-group-in-use',
          `Address group ${group.id} is in use on one or more security group rules.`,
        );
      await unshare(core, tx, group.id);
      await core.remove(tx, group);
    },
  };
}

export function addressGroupActions(core: NetworkCore): Route<Caller>[] {
  const resource = addressGroups(core);
  const action = (
    verb: string,
    next: (held: readonly string[], given: readonly string[]) => string[],
  ) =>
    route({
      method: 'PUT',
      path: `/v2.0/address-groups/:id/${verb}`,
      policy: 'any-token',
      body: AnyBody,
      handle: async (request) => {
        const given = readAddresses(request);
        const asker = askerOf(request);
        const changed = await core.change(async (tx) => {
          const { document, target } = await getVisible(
            core,
            tx,
            resource,
            param(request, 'id'),
            asker,
          );
          if (!asker.may('update_address_group', target))
            throw fail('policy-not-authorized', `rule:${verb} is disallowed by policy`);
          return await core.update(tx, 'address_group', document, {
            addresses: next(document.addresses, given),
          });
        });
        const [view] = await resource.views(core.db, [changed], asker);
        return { body: { address_group: view } };
      },
    });
  return [
    action('add_addresses', (held, given) => {
      const twice = given.filter((one) => held.includes(one));
      if (twice.length > 0)
        throw fail(
          'addresses-already-exist',
          `Addresses ${twice.join(', ')} already exist in the address group.`,
        );
      return [...held, ...given];
    }),
    action('remove_addresses', (held, given) => {
      const missing = given.filter((one) => !held.includes(one));
      if (missing.length > 0)
        throw fail(
          'addresses-not-found',
          `Addresses ${missing.join(', ')} not found in the address group.`,
        );
      return held.filter((one) => !given.includes(one));
    }),
  ];
}

/** Clients send the list bare or inside the resource. */
function readAddresses(request: Request): string[] {
  const body = request.body as Input;
  const inside =
    typeof body.address_group === 'object' && body.address_group !== null
      ? Reflect.get(body.address_group, 'addresses')
      : undefined;
  try {
    const read = addresses(body.addresses ?? inside ?? null) as string[];
    if (read.length === 0) throw badRequest('Addresses are required');
    return read;
  } catch (error) {
    if (error instanceof Wrong)
      throw badRequest(`Invalid input for addresses. Reason: ${error.message}.`);
    throw error;
  }
}
