/** What a kind of resource declares; the engine beside it makes the HTTP API of that. */
import type { Asker } from '../caller.ts';
import type { NetworkCore } from '../core.ts';
import type { Attributes, Input } from './attributes.ts';
import type { Kind, Kinds } from './documents.ts';
import type { Db, Tx, Where } from './store.ts';

export type View = Readonly<Record<string, unknown>>;

/** One request to make or change: who asks, and what was really said. */
export interface Change {
  readonly asker: Asker;
  readonly explicit: ReadonlySet<string>;
}

export interface Resource<K extends Kind = Kind> {
  readonly kind: K;
  /** `network`, and `networks` as the key of many. */
  readonly member: string;
  readonly collection: string;
  /** `/v2.0/networks`; may have parameters of a parent. */
  readonly path: string;
  readonly attributes: Attributes;
  /** In rules: `create_NAME`. */
  readonly rule: string;
  /** The object type of RBAC policies by which projects share it. */
  readonly sharedAs?: string;
  /** Attribute → the name of the index that finds it. */
  readonly indexed: Readonly<Record<string, string>>;
  /** Attributes that are computed, over the document's own. */
  views(db: Db, documents: readonly Kinds[K][], asker: Asker): Promise<View[]>;
  /** What rules see beside the view. */
  targets?(db: Db, documents: readonly TargetOf<K>[], asker: Asker): Promise<View[]>;
  /** Documents of other projects that a caller may see, beyond what is shared. */
  alsoVisible?(db: Db, asker: Asker): Promise<readonly Where[]>;
  /** Filters that are no attribute's equality. */
  readonly filters?: Readonly<Record<string, (view: View, value: string) => boolean>>;
  /** Runs before a listing, as where the reference makes sure that something is there. */
  beforeList?(asker: Asker): Promise<void>;
  /** Documents of the parent that the path names, when it does. */
  within?(params: Readonly<Record<string, string>>): Where;
  create?(tx: Tx, values: Input, change: Change, params: Params): Promise<Kinds[K]>;
  update?(tx: Tx, before: Kinds[K], values: Input, change: Change): Promise<Kinds[K]>;
  remove?(tx: Tx, document: Kinds[K], change: Change): Promise<void>;
  /** Transactions that make one take turns under this name. */
  lock?(values: Input, asker: Asker): string | undefined;
}

export type Params = Readonly<Record<string, string>>;

/** What targets can be told of: a document, or values that are to become one. */
export type TargetOf<K extends Kind> = Partial<Kinds[K]>;

export type ResourceOf = (core: NetworkCore) => Resource;
