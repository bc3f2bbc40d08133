/** Properties that the operator gives every imported image. */
import { Failure } from '#common';
import type { Request } from '../caller.ts';
import type { ImageCore, Tx } from '../core.ts';
import { writeParts } from '../images/changing.ts';
import type { ImageRecord } from '../images/records.ts';
import { baseNames, reserved } from '../images/schema.ts';
import type { ImageSettings } from '../settings.ts';

const words = (text: string) =>
  text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

/** `name=value,name=value`; fails `invalid` when a name is none that users may set. */
export function injectedProperties({
  injectProperties,
}: Pick<ImageSettings, 'injectProperties'>): ReadonlyMap<string, string> {
  const properties = new Map<string, string>();
  for (const pair of words(injectProperties)) {
    const cut = pair.indexOf('=');
    const name = pair.slice(0, Math.max(cut, 0)).trim();
    if (name === '' || name.length > 255 || baseNames.has(name) || reserved(name))
      throw new Failure(
        'invalid',
        'bad-injection',
        `image.injectProperties: "${pair}" is no name=value of a property that can be set`,
      );
    properties.set(name, pair.slice(cut + 1).trim());
  }
  return properties;
}

/** Not for those whose roles are exempt. */
export async function inject(
  core: ImageCore,
  tx: Tx,
  request: Request,
  image: ImageRecord,
): Promise<void> {
  const given = injectedProperties(core.settings);
  const { roles } = request.caller?.credentials ?? {};
  const exempt = words(core.settings.injectExemptRoles);
  const isExempt = Array.isArray(roles) && roles.some((role) => exempt.includes(String(role)));
  if (given.size === 0 || isExempt) return;
  const properties = new Map([...image.properties, ...given]);
  await writeParts(tx, image.id, { tags: image.tags, properties });
}
