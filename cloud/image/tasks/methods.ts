/** The ways in which an image's data can be imported. */
export const importMethods: readonly string[] = ['glance-direct', 'web-download', 'copy-image'];
