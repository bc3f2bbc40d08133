/** `X-Versions-Enabled`: whether a container keeps the versions of its objects. */
import type { Exchange } from '../exchange.ts';
import { type Container, versioningField, versioningOf } from '../objects/index.ts';
import { refusal } from './refusal.ts';
import { headerOf, type SwiftServices } from './swift-request.ts';
import { isTrue } from './text.ts';
import { html } from './version-id.ts';
import { locationField } from './versions-location.ts';

/** The system fields with what the request says of versions; refuses what does not go together. */
export function applyVersioning(
  exchange: Exchange,
  fields: ReadonlyMap<string, string>,
  services: SwiftServices,
): ReadonlyMap<string, string> {
  const wanted = headerOf(exchange, 'x-versions-enabled');
  const isVersioned = fields.has(versioningField);
  if (wanted === undefined) {
    if (isVersioned) refuseBeside(fields);
    return fields;
  }
  if (!services.offers.has('versioned-writes'))
    throw refusal('precondition-failed', 'Object versioning is disabled');
  refuseBeside(fields);
  const on = isTrue(wanted);
  // What never kept versions has none to suspend.
  if (!on && !isVersioned) return fields;
  return new Map([...fields, [versioningField, on ? 'enabled' : 'suspended']]);
}

function refuseBeside(fields: ReadonlyMap<string, string>): void {
  if (fields.has(locationField))
    throw refusal(
      'bad-request',
      'Cannot enable object versioning on a container that is already using the legacy versioned writes feature.',
      html,
    );
  if (fields.has('sync-to'))
    throw refusal(
      'bad-request',
      'Cannot enable object versioning on a container configured as source of container syncing.',
      html,
    );
}

export function writeVersioning(
  headers: Record<string, string | number>,
  container: Container,
): void {
  const state = versioningOf(container);
  if (state !== 'off') headers['X-Versions-Enabled'] = state === 'enabled' ? 'True' : 'False';
}
