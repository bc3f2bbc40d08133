/** OVSDB's values (RFC 7047 §5.1) and ours: an atom, a set of atoms, a map, or rows that are referred to. */

export type Atom = string | number | boolean;

export type Value =
  | Atom
  | { readonly set: readonly Atom[] }
  /** Numbers where the column holds numbers: the database refuses their text, and with it all that is changed beside. */
  | { readonly map: Readonly<Record<string, string | number>> }
  /** Keys of desired rows. */
  | { readonly refs: readonly string[] };

/** What a column holds, in one form however it was written: atoms sorted, a set of one as a set. */
export function canonicalWire(wire: unknown): string {
  if (Array.isArray(wire)) {
    const [tag, content] = wire as [string, unknown];
    if (tag === 'uuid') return JSON.stringify([String(content)]);
    if (tag === 'set') return JSON.stringify((content as unknown[]).map(atomText).sort());
    if (tag === 'map')
      return JSON.stringify(
        (content as [unknown, unknown][])
          .map(([key, value]) => `${atomText(key)}=${atomText(value)}`)
          .sort(),
      );
  }
  return JSON.stringify([atomText(wire)]);
}

const atomText = (atom: unknown): string => (Array.isArray(atom) ? String(atom[1]) : String(atom));

/** `uuidOf` finds the row that a key stands for. */
export function canonicalValue(value: Value, uuidOf: (key: string) => string | undefined): string {
  if (typeof value !== 'object') return JSON.stringify([String(value)]);
  if ('set' in value) return JSON.stringify(value.set.map(String).sort());
  if ('map' in value)
    return JSON.stringify(
      Object.entries(value.map)
        .map(([key, one]) => `${key}=${one}`)
        .sort(),
    );
  return JSON.stringify(value.refs.map((key) => uuidOf(key) ?? `new ${key}`).sort());
}

export function wireOf(
  value: Value,
  refOf: (key: string) => readonly [string, string] | undefined,
): unknown {
  if (typeof value !== 'object') return value;
  if ('set' in value) return ['set', value.set];
  if ('map' in value) return ['map', Object.entries(value.map)];
  return [
    'set',
    value.refs.flatMap((key) => {
      const ref = refOf(key);
      return ref === undefined ? [] : [ref];
    }),
  ];
}

/** A map column as an object. */
export function mapOf(wire: unknown): Record<string, string> {
  if (!Array.isArray(wire) || wire[0] !== 'map') return {};
  return Object.fromEntries(
    (wire[1] as [unknown, unknown][]).map(([key, value]) => [String(key), String(value)]),
  );
}

export function setOf(wire: unknown): string[] {
  if (Array.isArray(wire) && wire[0] === 'set') return (wire[1] as unknown[]).map(atomText);
  return [atomText(wire)];
}

export type Row = Readonly<Record<string, unknown>>;
