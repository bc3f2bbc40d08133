/** Several ordered lists, read in pages and seen as one: for each key, what every source has of it. */

export interface Page<T> {
  readonly items: readonly T[];
  readonly more: boolean;
}

/** The page after `last`, or the first. */
export type NextPage<T> = (last: T | undefined) => Promise<Page<T>>;

export async function* paged<T>(next: NextPage<T>): AsyncGenerator<T, void> {
  let last: T | undefined;
  for (;;) {
    const page = await next(last);
    yield* page.items;
    last = page.items.at(-1);
    if (!page.more || last === undefined) return;
  }
}

/** Yields, in order, one entry per source: its item of that key, or undefined. */
export async function* merged<T>(
  sources: readonly AsyncGenerator<T, void>[],
  compare: (a: T, b: T) => number,
): AsyncGenerator<readonly (T | undefined)[], void> {
  const heads = await Promise.all(sources.map(headOf));
  for (;;) {
    const least = heads.reduce(
      (found, head) =>
        head !== undefined && (found === undefined || compare(head, found) < 0) ? head : found,
      undefined,
    );
    if (least === undefined) return;
    const there = heads.map((head) => head !== undefined && compare(head, least) === 0);
    yield heads.map((head, at) => (there[at] === true ? head : undefined));
    await Promise.all(
      sources.map(async (source, at) => {
        if (there[at] === true) heads[at] = await headOf(source);
      }),
    );
  }
}

async function headOf<T>(source: AsyncGenerator<T, void>): Promise<T | undefined> {
  const step = await source.next();
  return step.done === true ? undefined : step.value;
}
