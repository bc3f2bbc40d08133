/** The microversions of this API. */
export const versionMin = '1.0';
export const versionMax = '1.1';
