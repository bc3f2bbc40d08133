/** The microversions that are served. */
export const placementMin = '1.0';
export const placementMax = '1.28';
