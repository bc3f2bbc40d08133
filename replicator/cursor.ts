/** How far each duty has come, kept across restarts. */
export interface CursorStore {
  load(name: string): Promise<string | number | undefined>;
  save(name: string, cursor: string | number | undefined): Promise<void>;
}

/** For tests, and for those who may begin anew. */
export function memoryCursors(): CursorStore {
  const cursors = new Map<string, string | number>();
  return {
    load: async (name) => cursors.get(name),
    save: async (name, cursor) => {
      if (cursor === undefined) cursors.delete(name);
      else cursors.set(name, cursor);
    },
  };
}
