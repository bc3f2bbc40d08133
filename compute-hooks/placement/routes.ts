/**
 * Placement's API over what the scheduler keeps: everything can be read. What the scheduler itself writes (providers, inventories,
 * allocations) nobody else may: such requests answer 501.
 */
import type { ApiRequest, Method, Route } from '#cloud/api';
import { type ComputeCaller, parameter, type Request, unscoped } from '../caller.ts';
import type { ComputeCore } from '../core.ts';
import { computeFailure, refused } from '../failures.ts';
import type { HostView } from '../scheduler.ts';
import type { AllocationRow } from '../tables.ts';
import {
  allocations,
  generationOf,
  inventoriesOf,
  providers,
  resourceClasses,
  sumOf,
  theProvider,
  traitsOf,
} from './providers.ts';
import { fits, parseResources, refuseUnknown } from './query.ts';
import { placementMax, placementMin } from './versions.ts';

export const refusedWrites: readonly (readonly [path: string, methods: readonly Method[]])[] = [
  ['/resource_providers', ['POST']],
  ['/resource_providers/:uuid', ['PUT', 'DELETE']],
  ['/resource_providers/:uuid/inventories', ['PUT', 'POST', 'DELETE']],
  ['/resource_providers/:uuid/inventories/:name', ['PUT', 'DELETE']],
  ['/resource_providers/:uuid/aggregates', ['PUT']],
  ['/resource_providers/:uuid/traits', ['PUT', 'DELETE']],
  ['/resource_classes', ['POST']],
  ['/resource_classes/:name', ['PUT', 'DELETE']],
  ['/traits/:name', ['PUT', 'DELETE']],
  ['/allocations', ['POST']],
  ['/allocations/:uuid', ['PUT', 'DELETE']],
  ['/reshaper', ['POST']],
];

export function placementRoutes(core: ComputeCore): Route<ComputeCaller>[] {
  const get = (path: string, policy: string, read: (request: Request) => Promise<unknown>) =>
    unscoped({
      method: 'GET',
      path,
      policy,
      target: (request) => ({ project_id: request.query.get('project_id') ?? '' }),
      handle: async (request: ApiRequest<ComputeCaller, undefined>) => ({
        body: await read({ ...request, minor: Number(request.version.split('.')[1] ?? 0) }),
      }),
    });
  const admin = 'placement:admin';
  const one = (request: Request) => theProvider(core, parameter(request, 'uuid'));
  return [
    get('/', 'public', async () => ({
      versions: [
        {
          id: 'v1.0',
          min_version: placementMin,
          max_version: placementMax,
          status: 'CURRENT',
          links: [{ rel: 'self', href: '' }],
        },
      ],
    })),
    get('/resource_providers', admin, async (request) => {
      refuseUnknown(request);
      const found = (await providers(core)).filter((view) => fits(core, request, view));
      return { resource_providers: found.map((view) => providerView(request, view)) };
    }),
    get('/resource_providers/:uuid', admin, async (request) =>
      providerView(request, await one(request)),
    ),
    get('/resource_providers/:uuid/inventories', admin, async (request) => {
      const view = await one(request);
      return {
        inventories: inventoriesOf(core, view),
        resource_provider_generation: generationOf(view),
      };
    }),
    get('/resource_providers/:uuid/inventories/:name', admin, async (request) => {
      const view = await one(request);
      const name = parameter(request, 'name');
      const found = inventoriesOf(core, view)[name];
      if (found === undefined)
        throw computeFailure('missing', {
          why: `No inventory of class ${name.slice(0, 64)} for ${view.row.id}`,
        });
      return { ...found, resource_provider_generation: generationOf(view) };
    }),
    get('/resource_providers/:uuid/usages', admin, async (request) => {
      const view = await one(request);
      const none = Object.keys(inventoriesOf(core, view)).map((name) => [name, 0]);
      return {
        resource_provider_generation: generationOf(view),
        usages: { ...Object.fromEntries(none), ...view.used },
      };
    }),
    get('/resource_providers/:uuid/aggregates', admin, async (request) => {
      const view = await one(request);
      return {
        aggregates: view.aggregates.map(({ id }) => id),
        ...(request.minor >= 19 ? { resource_provider_generation: generationOf(view) } : {}),
      };
    }),
    get('/resource_providers/:uuid/traits', admin, async (request) => {
      const view = await one(request);
      return { traits: traitsOf(view), resource_provider_generation: generationOf(view) };
    }),
    get('/resource_providers/:uuid/allocations', admin, async (request) => {
      const view = await one(request);
      const rows = await allocations(core, { provider_id: view.row.id });
      const byConsumer = Map.groupBy(rows, ({ consumer_id }) => consumer_id);
      return {
        allocations: Object.fromEntries(
          [...byConsumer].map(([id, mine]) => [id, { resources: sumOf(mine) }]),
        ),
        resource_provider_generation: generationOf(view),
      };
    }),
    get('/allocations/:uuid', admin, async (request) => consumerView(core, request)),
    get('/allocation_candidates', admin, async (request) => candidates(core, request)),
    get('/usages', 'placement:usages', async ({ query }) => {
      const project = query.get('project_id');
      if (project === null) throw refused("'project_id' is a required property");
      const user = query.get('user_id');
      const by = { project_id: project, ...(user === null ? {} : { user_id: user }) };
      return { usages: sumOf(await allocations(core, by)) };
    }),
    get('/resource_classes', admin, async () => ({
      resource_classes: resourceClasses.map(classView),
    })),
    get('/resource_classes/:name', admin, async (request) => {
      const name = parameter(request, 'name');
      if (!resourceClasses.includes(name))
        throw computeFailure('missing', { why: `No such resource class ${name.slice(0, 64)}.` });
      return classView(name);
    }),
    get('/traits', admin, async ({ query }) => {
      const all = new Set((await providers(core)).flatMap(traitsOf));
      return { traits: [...all].filter((name) => isAsked(name, query.get('name'))).sort() };
    }),
    ...refusedWrites.flatMap(([path, methods]) =>
      methods.map((method) =>
        unscoped({
          method,
          path,
          policy: admin,
          handle: () => {
            throw computeFailure('not-implemented', {
              what: 'Changing what the scheduler keeps itself',
            });
          },
        }),
      ),
    ),
  ];
}

function isAsked(name: string, asked: string | null): boolean {
  if (asked === null) return true;
  const [how, words = ''] = asked.split(':');
  if (how === 'startswith') return name.startsWith(words);
  return words.split(',').includes(name);
}

const classView = (name: string) => ({
  name,
  links: [{ rel: 'self', href: `/placement/resource_classes/${name}` }],
});

function providerView({ minor }: Request, view: HostView) {
  const { id, name } = view.row;
  const href = `/placement/resource_providers/${id}`;
  const parts = ['', '/inventories', '/usages'];
  if (minor >= 1) parts.push('/aggregates');
  if (minor >= 6) parts.push('/traits');
  if (minor >= 11) parts.push('/allocations');
  return {
    uuid: id,
    name,
    generation: generationOf(view),
    links: parts.map((part) => ({ rel: part.slice(1) || 'self', href: `${href}${part}` })),
    ...(minor >= 14 ? { parent_provider_uuid: null, root_provider_uuid: id } : {}),
  };
}

async function consumerView(core: ComputeCore, request: Request) {
  const rows = await allocations(core, { consumer_id: parameter(request, 'uuid') });
  const views = await providers(core);
  const byProvider = Map.groupBy(rows, ({ provider_id }) => provider_id);
  const found = [...byProvider].flatMap(([id, mine]) => {
    const view = views.find(({ row }) => row.id === id);
    const one = { resources: sumOf(mine) };
    return view === undefined ? [] : [[id, { ...one, generation: generationOf(view) }]];
  });
  const [first] = rows;
  return {
    allocations: Object.fromEntries(found),
    ...(first === undefined ? {} : ownerOf(request, first)),
  };
}

const ownerOf = ({ minor }: Request, row: AllocationRow) => ({
  ...(minor >= 12 ? { project_id: row.project_id, user_id: row.user_id } : {}),
  ...(minor >= 28 ? { consumer_generation: 1 } : {}),
});

async function candidates(core: ComputeCore, request: Request) {
  refuseUnknown(request);
  const text = request.query.get('resources');
  if (text === null) throw refused("'resources' is a required property");
  const resources = parseResources(text);
  const all = (await providers(core)).filter((view) => fits(core, request, view));
  const limit = request.query.get('limit');
  if (limit !== null && !/^[1-9]\d{0,9}$/.test(limit))
    throw refused(`Invalid query string parameters: '${limit.slice(0, 64)}' is no limit`);
  const found = all.slice(0, limit === null ? all.length : Number(limit));
  return {
    allocation_requests: found.map(({ row }) => ({
      allocations:
        request.minor >= 12
          ? { [row.id]: { resources } }
          : [{ resource_provider: { uuid: row.id }, resources }],
    })),
    provider_summaries: Object.fromEntries(
      found.map((view) => [view.row.id, summaryOf(core, request, view)]),
    ),
  };
}

function summaryOf(core: ComputeCore, { minor }: Request, view: HostView) {
  const resources = Object.entries(inventoriesOf(core, view)).map(([name, there]) => [
    name,
    {
      capacity: Math.floor((there.total - there.reserved) * there.allocation_ratio),
      used: view.used[name] ?? 0,
    },
  ]);
  return {
    resources: Object.fromEntries(resources),
    ...(minor >= 17 ? { traits: traitsOf(view) } : {}),
  };
}
