/** One kind of entity of a project (users, groups, roles, policies), by name: in whatever letters, a name is the same. */
import type { Static, TSchema } from 'typebox';
import { Value } from 'typebox/value';
import type { Page, Records } from '../../objects/index.ts';
import { IamFailure } from './iam-failure.ts';
import type { PageOptions } from './list-entities.ts';

const pageRows = 1_000;

export interface ShelfOptions<S extends TSchema> {
  readonly records: Records;
  /** What its records are kept under. */
  readonly kind: string;
  /** What refusals call it. */
  readonly word: string;
  readonly schema: S;
}

/** `next`: after what the page behind it begins. */
export interface ShelfPage<E> extends Page<E> {
  readonly next?: string;
}

export class Shelf<S extends TSchema> {
  private readonly options: ShelfOptions<S>;

  constructor(options: ShelfOptions<S>) {
    this.options = options;
  }

  async find(account: string, name: string): Promise<Static<S> | undefined> {
    return this.parse(await this.options.records.find(await this.place(account, name)));
  }

  async get(account: string, name: string): Promise<Static<S>> {
    return (await this.find(account, name)) ?? this.missing(name);
  }

  async list(owner: string, options: PageOptions): Promise<ShelfPage<Static<S>>> {
    const page = await this.options.records.list({ kind: this.options.kind, owner }, options);
    const next = page.more ? page.entries.at(-1)?.name : undefined;
    const entries = page.entries.flatMap(({ text }) => this.parse(text) ?? []);
    return { entries, more: page.more, ...(next === undefined ? {} : { next }) };
  }

  /** Every one of a project, page by page. */
  async *all(owner: string): AsyncGenerator<Static<S>, void, undefined> {
    let after: string | undefined;
    for (;;) {
      const options = { limit: pageRows, ...(after === undefined ? {} : { after }) };
      const page = await this.options.records.list({ kind: this.options.kind, owner }, options);
      for (const { text } of page.entries) {
        const entity = this.parse(text);
        if (entity !== undefined) yield entity;
      }
      after = page.entries.at(-1)?.name;
      if (!page.more || after === undefined) return;
    }
  }

  async create(account: string, name: string, entity: Static<S>): Promise<void> {
    await this.update(account, name, (present) => {
      if (present === undefined) return entity;
      throw new IamFailure(
        'EntityAlreadyExists',
        `${this.options.word} with name ${name} already exists.`,
      );
    });
  }

  /** Atomically; `next` may throw to refuse. */
  async change(
    account: string,
    name: string,
    next: (present: Static<S>) => Static<S>,
  ): Promise<void> {
    await this.update(account, name, (present) =>
      present === undefined ? this.missing(name) : next(present),
    );
  }

  /** `check` may throw to keep it. */
  async remove(account: string, name: string, check: (present: Static<S>) => void): Promise<void> {
    await this.update(account, name, (present) => {
      if (present === undefined) return this.missing(name);
      check(present);
      return undefined;
    });
  }

  private async update(
    account: string,
    name: string,
    next: (present: Static<S> | undefined) => Static<S> | undefined,
  ): Promise<void> {
    await this.options.records.update(await this.place(account, name), (text) => {
      const entity = next(this.parse(text));
      return entity === undefined ? undefined : JSON.stringify(entity);
    });
  }

  private missing(name: string): never {
    const { word } = this.options;
    throw new IamFailure(
      'NoSuchEntity',
      `The ${word.toLowerCase()} with name ${name} cannot be found.`,
    );
  }

  /** Before names were the same in whatever letters, records were kept under them as they were: those stay where they are. */
  private async place(owner: string, name: string) {
    const { kind, records } = this.options;
    const lower = name.toLowerCase();
    if (lower !== name && (await records.find({ kind, owner, name })) !== undefined)
      return { kind, owner, name };
    return { kind, owner, name: lower };
  }

  private parse(text: string | undefined): Static<S> | undefined {
    return text === undefined ? undefined : Value.Parse(this.options.schema, JSON.parse(text));
  }
}
