/** Trunks: a guest's port that carries other networks as VLANs. */
import type { Caller, Route } from '#cloud/api';
import type { Asker } from '../caller.ts';
import { askerOf, type Request, route } from '../caller.ts';
import type { NetworkCore, Tx } from '../core.ts';
import { badRequest, fail } from '../failures.ts';
import {
  atStart,
  type Input,
  open,
  type Reader,
  required,
  shown,
  standard,
  Wrong,
} from '../model/attributes.ts';
import type { SubPort, Trunk } from '../model/documents.ts';
import { notFound } from '../model/not-found.ts';
import { getVisible } from '../model/policing.ts';
import { flag, listOf, name, oneOf, record, toNumber, uuid, whole } from '../model/readers.ts';
import type { Resource } from '../model/resource.ts';
import { AnyBody, param } from '../model/routes.ts';
import { plainView } from '../model/views.ts';
import { statusOf } from './ports/views.ts';

const subPort: Reader = record({
  port_id: { read: uuid, required: true },
  segmentation_type: { read: oneOf(['vlan']), default: 'vlan' },
  segmentation_id: { read: (value) => whole(1, 4_094)(toNumber(value)), required: true },
});
const subPorts = listOf(subPort, 128);

const attributes = {
  ...standard(name),
  admin_state_up: open(flag, true),
  port_id: required(uuid),
  sub_ports: atStart(subPorts, [], { filter: false, sort: false }),
  status: shown({ filter: false }),
};

export function trunks(core: NetworkCore): Resource<'trunk'> {
  return {
    kind: 'trunk',
    member: 'trunk',
    collection: 'trunks',
    path: '/v2.0/trunks',
    rule: 'trunk',
    attributes,
    indexed: { name: 'name', port_id: 'port_id' },
    views: async (db, documents) => {
      const parents = new Map(
        (await core.list(db, 'port', { ids: documents.map((one) => one.port_id) })).map((one) => [
          one.id,
          one,
        ]),
      );
      return documents.map((trunk) => {
        const parent = parents.get(trunk.port_id);
        return {
          ...plainView(attributes, trunk),
          status: parent === undefined ? 'DOWN' : statusOf(core, parent),
        };
      });
    },
    create: async (tx, values, { asker }) => {
      const given = values as unknown as Trunk;
      await usablePort(core, tx, given.port_id, asker);
      await checkSubPorts(core, tx, given.port_id, [], given.sub_ports, asker);
      const trunk = await core.insert(tx, 'trunk', { ...given, id: core.newId() });
      await core.count(tx, 'trunk', trunk);
      await own(core, tx, trunk, trunk.sub_ports);
      return trunk;
    },
    update: (tx, before, values) => core.update(tx, 'trunk', before, values),
    remove: async (tx, trunk) => {
      const parent = await core.find(tx, 'port', trunk.port_id);
      if (parent !== undefined && parent['binding:host_id'] !== '' && parent.device_id !== '')
        throw fail('trunk-in-use', `Trunk ${trunk.id} is currently in use.`);
      await disown(core, tx, trunk.sub_ports);
      await core.remove(tx, trunk);
    },
    lock: () => 'network trunks',
  };
}

async function usablePort(core: NetworkCore, tx: Tx, id: string, asker: Asker): Promise<void> {
  const port = await core.find(tx, 'port', id);
  if (port === undefined || (!asker.isAdmin && port.project_id !== asker.projectId))
    throw notFound('port', id);
  const [parentOf] = await core.list(tx, 'trunk', { by: { port_id: id } });
  if (parentOf !== undefined)
    throw fail(
      'parent-port-in-use',
      `Port ${id} is currently in use as a parent of trunk ${parentOf.id}.`,
    );
  const [childOf] = await core.list(tx, 'trunk', { by: { sub_port: id } });
  if (childOf !== undefined)
    throw fail('port-in-use', `Port ${id} is in use by trunk ${childOf.id}.`);
}

async function checkSubPorts(
  core: NetworkCore,
  tx: Tx,
  parentId: string,
  held: readonly SubPort[],
  given: readonly SubPort[],
  asker: Asker,
): Promise<void> {
  const numbers = [...held, ...given].map((one) => one.segmentation_id);
  if (
    new Set(numbers).size < numbers.length ||
    new Set(given.map((one) => one.port_id)).size < given.length
  )
    throw fail(
      'duplicate-sub-port',
      'segmentation_type vlan and segmentation_id already in use on trunk.',
    );
  for (const { port_id: id } of given) {
    if (id === parentId)
      throw badRequest(
        `Invalid input for sub_ports. Reason: the parent port ${id} cannot be its own subport.`,
      );
    await usablePort(core, tx, id, asker);
    const port = await core.get(tx, 'port', id);
    if (port.device_id !== '')
      throw fail('port-in-use', `Port ${id} is in use by ${port.device_id}.`);
  }
}

const owner = 'trunk:subport';

async function own(
  core: NetworkCore,
  tx: Tx,
  trunk: Trunk,
  subs: readonly SubPort[],
): Promise<void> {
  for (const { port_id: id } of subs)
    await core.update(tx, 'port', await core.get(tx, 'port', id), {
      device_owner: owner,
      device_id: trunk.id,
    });
}

async function disown(core: NetworkCore, tx: Tx, subs: readonly SubPort[]): Promise<void> {
  for (const { port_id: id } of subs) {
    const port = await core.find(tx, 'port', id);
    if (port !== undefined)
      await core.update(tx, 'port', port, { device_owner: '', device_id: '' });
  }
}

export function trunkActions(core: NetworkCore): Route<Caller>[] {
  const resource = trunks(core);
  const change = (
    verb: string,
    run: (tx: Tx, trunk: Trunk, request: Request) => Promise<readonly SubPort[]>,
  ) =>
    route({
      method: 'PUT',
      path: `/v2.0/trunks/:id/${verb}`,
      policy: 'any-token',
      body: AnyBody,
      handle: async (request) => {
        const asker = askerOf(request);
        const after = await core.change(async (tx) => {
          const { document, target } = await getVisible(
            core,
            tx,
            resource,
            param(request, 'id'),
            asker,
          );
          if (!asker.may(verb, target))
            throw fail('policy-not-authorized', `rule:${verb} is disallowed by policy`);
          return await core.update(tx, 'trunk', document, {
            sub_ports: await run(tx, document, request),
          });
        }, 'network trunks');
        const [view] = await resource.views(core.db, [after], asker);
        return { body: view };
      },
    });
  return [
    route({
      method: 'GET',
      path: '/v2.0/trunks/:id/get_subports',
      policy: 'any-token',
      handle: async (request) => {
        const { document } = await getVisible(
          core,
          core.db,
          resource,
          param(request, 'id'),
          askerOf(request),
        );
        return { body: { sub_ports: document.sub_ports } };
      },
    }),
    change('add_subports', async (tx, trunk, request) => {
      const given = readSubPorts(subPorts, request);
      await checkSubPorts(core, tx, trunk.port_id, trunk.sub_ports, given, askerOf(request));
      await own(core, tx, trunk, given);
      return [...trunk.sub_ports, ...given];
    }),
    change('remove_subports', async (tx, trunk, request) => {
      const given = readSubPorts(
        listOf(record({ port_id: { read: uuid, required: true } }), 128),
        request,
      );
      const gone = given.map((one) => one.port_id);
      const stranger = gone.find((id) => !trunk.sub_ports.some((one) => one.port_id === id));
      if (stranger !== undefined)
        throw fail(
          'sub-port-not-found',
          `SubPort on trunk ${trunk.id} with parent port ${stranger} could not be found.`,
        );
      await disown(
        core,
        tx,
        trunk.sub_ports.filter((one) => gone.includes(one.port_id)),
      );
      return trunk.sub_ports.filter((one) => !gone.includes(one.port_id));
    }),
  ];
}

function readSubPorts(read: Reader, request: Request): SubPort[] {
  try {
    return read((request.body as Input).sub_ports ?? null) as SubPort[];
  } catch (error) {
    if (error instanceof Wrong)
      throw badRequest(`Invalid input for sub_ports. Reason: ${error.message}.`);
    throw error;
  }
}
