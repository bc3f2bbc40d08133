/** The whole model in memory, kept up to date by reading only what changed since. */
import type { NetworkCore } from '../core.ts';
import type { Kind, Kinds } from '../model/documents.ts';

export type Model = { readonly [K in Kind]: ReadonlyMap<string, Kinds[K]> };

const kinds: readonly Kind[] = [
  'network',
  'subnet',
  'port',
  'router',
  'floatingip',
  'port_forwarding',
  'security_group',
  'security_group_rule',
  'address_group',
  'qos_policy',
  'qos_rule',
  'trunk',
];

export class ModelCache {
  private readonly core: NetworkCore;
  private readonly held = new Map<string, { kind: Kind; stamp: string; document: Kinds[Kind] }>();
  private changes = 0;

  constructor(core: NetworkCore) {
    this.core = core;
  }

  /** How often a reading found something other than the one before. */
  get version(): number {
    return this.changes;
  }

  async read(): Promise<Model> {
    const stamps = await this.core.db
      .selectFrom('network_object')
      .select(['id', 'kind', 'revision', 'updated_at_us'])
      .where('kind', 'in', kinds)
      .execute();
    const stale = new Map<Kind, string[]>();
    const present = new Set<string>();
    for (const { id, kind, revision, updated_at_us } of stamps) {
      present.add(id);
      const stamp = `${revision} ${updated_at_us}`;
      if (this.held.get(id)?.stamp !== stamp)
        stale.set(kind as Kind, [...(stale.get(kind as Kind) ?? []), id]);
    }
    const gone = [...this.held.keys()].filter((id) => !present.has(id));
    for (const id of gone) this.held.delete(id);
    if (gone.length > 0 || stale.size > 0) this.changes++;
    for (const [kind, ids] of stale)
      for (const document of await this.core.list(this.core.db, kind, { ids }))
        this.held.set(document.id, {
          kind,
          stamp: `${document.revision} ${document.updatedAtUs}`,
          document,
        });
    return this.byKind();
  }

  private byKind(): Model {
    const model = Object.fromEntries(kinds.map((kind) => [kind, new Map<string, Kinds[Kind]>()]));
    for (const [id, { kind, document }] of this.held) model[kind]?.set(id, document);
    // Every kind that is rendered is there; those that are not are never asked for.
    return model as unknown as Model;
  }
}
