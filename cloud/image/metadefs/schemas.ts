/** The schemas of metadata definitions. */
export const metadefSchemas: Readonly<Record<string, unknown>> = {};
