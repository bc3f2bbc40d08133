/** The microversions that are spoken. */
export const versionMin = '2.1';
export const versionMax = '2.93';
