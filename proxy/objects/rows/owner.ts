/** Whose an object is, where it is not the container's account's: a dialect's own field, which listings show. */
export const ownerField = 'owner';
