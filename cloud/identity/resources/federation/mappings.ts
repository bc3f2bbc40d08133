/** Mappings (OS-FEDERATION): how a provider's claims are read. */
import Type, { type Static } from 'typebox';
import type { Route } from '../../../api/index.ts';
import { type IdentityCaller, parameter, route } from '../../caller.ts';
import type { IdentityCore } from '../../core.ts';
import { identityFailure } from '../../failures.ts';
import { mappingRules } from '../../federation/mapping-rules.ts';
import type { MappingRow } from '../../tables.ts';
import { collectionRoutes } from '../collection.ts';
import { rowsOf } from '../rows.ts';
import { linked, type View } from '../views.ts';

const mappings = rowsOf('identity_mapping', 'mapping');
const base = '/v3/OS-FEDERATION';
const closed = { additionalProperties: false } as const;

const newMapping = Type.Object(
  {
    rules: mappingRules,
    schema_version: Type.Optional(Type.Literal('1.0')),
  },
  closed,
);

const mappingView = (row: MappingRow): View => ({ ...row, rules: JSON.parse(row.rules) });

/** Expressions that do not compile would refuse every log-in; better said now. */
function refuseBadExpressions(rules: Static<typeof mappingRules>): void {
  for (const part of rules.flatMap((rule) => rule.remote)) {
    if (!('regex' in part) || part.regex !== true) continue;
    const expressions = Object.values(part).filter(Array.isArray).flat();
    for (const expression of expressions) {
      try {
        new RegExp(String(expression));
      } catch (error) {
        if (!(error instanceof SyntaxError)) throw error;
        throw identityFailure('schema-invalid', {
          detail: `${String(expression).slice(0, 100)} is not a regular expression`,
        });
      }
    }
  }
}

export function mappingRoutes(core: IdentityCore): Route<IdentityCaller>[] {
  return [
    ...collectionRoutes(core, {
      rows: mappings,
      plural: 'mappings',
      member: 'mapping',
      prefix: '/OS-FEDERATION',
      verbs: ['list', 'get', 'update', 'delete'],
      create: newMapping,
      update: newMapping,
      listing: { filters: {}, sortKeys: ['id'], defaultSort: 'id' },
      view: mappingView,
      fresh: () => {
        throw identityFailure('method-not-allowed');
      },
      changed: (before, given) => {
        refuseBadExpressions(given.rules);
        return { ...before, rules: JSON.stringify(given.rules) };
      },
    }),
    route({
      method: 'PUT',
      path: `${base}/mappings/:mapping_id`,
      policy: 'identity:create_mapping',
      body: Type.Object({ mapping: newMapping }),
      handle: async (request) => {
        const { rules } = request.body.mapping;
        refuseBadExpressions(rules);
        const row = {
          id: parameter(request, 'mapping_id'),
          rules: JSON.stringify(rules),
          schema_version: '1.0',
        };
        await core.change((transaction) => mappings.insert(transaction, row));
        const view = linked(request, 'OS-FEDERATION/mappings', mappingView(row));
        return { status: 201, body: { mapping: view } };
      },
    }),
  ];
}
