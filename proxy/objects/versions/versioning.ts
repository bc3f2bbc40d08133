/** Whether a container keeps versions, as both dialects set it. */
import type { Container, Versioning } from '../container-service.ts';
import type { Fields } from '../fields.ts';

export const versioningField = 'versioning';

export function versioningOf({ system }: Pick<Container, 'system'>): Versioning {
  const state = system[versioningField];
  return state === 'enabled' || state === 'suspended' ? state : 'off';
}

/** A container's system fields with versioning turned on or suspended; `off` is only ever the beginning. */
export function withVersioning(system: Fields, state: 'enabled' | 'suspended'): Fields {
  return { ...system, [versioningField]: state };
}
