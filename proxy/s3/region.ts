/** The name of the region that this endpoint is. */

const unnamed = 'us-east-1';

export function regionName(setting: string): string {
  return setting === '' ? unnamed : setting;
}

/** As GetBucketLocation tells it: the oldest region has no name there. */
export function locationConstraint(setting: string): string {
  const region = regionName(setting);
  return region === unnamed ? '' : region;
}
