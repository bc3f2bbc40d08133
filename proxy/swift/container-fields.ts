/** What a container keeps in its system fields, and the headers by which clients set, remove and see it. */
import type { Exchange } from '../exchange.ts';
import type { Container, Fields } from '../objects/index.ts';
import { readAclField, writeAclField } from './access.ts';
import { cleanAcl } from './container-acl.ts';
import { toFields } from './metadata.ts';
import { refusal } from './refusal.ts';
import { applyQuoting, namesQuoting } from './stages/etag-quoter.ts';
import { headerOf, type SwiftServices } from './swift-request.ts';
import { checkSyncTo } from './sync-realms.ts';
import { fromHeader, toHeader } from './text.ts';
import { applyVersioning } from './versions-enabled.ts';
import { locationHeaders, readVersionsLocation, versioningFields } from './versions-location.ts';

export const syncToField = 'sync-to';
export const syncKeyField = 'sync-key';

interface Rule {
  readonly header: string;
  readonly shown: string;
  readonly field: string;
  /** The stage without which the header means nothing, so that it is refused. */
  readonly stage?: string;
  readonly clean: (text: string, services: SwiftServices) => string;
}

const rules: readonly Rule[] = [
  {
    header: 'x-container-read',
    shown: 'X-Container-Read',
    field: readAclField,
    clean: (text) => cleanAcl('x-container-read', text),
  },
  {
    header: 'x-container-write',
    shown: 'X-Container-Write',
    field: writeAclField,
    clean: (text) => cleanAcl('x-container-write', text),
  },
  {
    header: 'x-container-sync-to',
    shown: 'X-Container-Sync-To',
    field: syncToField,
    stage: 'container-sync',
    clean: (text, { swift }) => checkSyncTo(text, swift),
  },
  {
    header: 'x-container-sync-key',
    shown: 'X-Container-Sync-Key',
    field: syncKeyField,
    stage: 'container-sync',
    clean: (text) => text,
  },
];

/** The system fields after the request's headers. */
export function applyFields(exchange: Exchange, present: Fields, services: SwiftServices): Fields {
  const next = new Map(Object.entries(present));
  for (const { header, field, clean, stage } of rules) {
    const removal = header.replace('x-', 'x-remove-');
    if (headerOf(exchange, removal)) next.delete(field);
    const value = headerOf(exchange, header);
    if (value === undefined) continue;
    if (value !== '' && stage !== undefined && !services.offers.has(stage))
      throw refusal('precondition-failed', `${header} is not offered`);
    const text = fromHeader(value);
    if (text === undefined) throw refusal('bad-request', 'Metadata must be valid UTF-8');
    const kept = clean(text, services);
    if (kept === '') next.delete(field);
    else next.set(field, kept);
  }
  const location = readVersionsLocation(exchange, services);
  if (location !== undefined) {
    for (const field of versioningFields) next.delete(field);
    for (const [field, value] of Object.entries(location)) next.set(field, value);
  }
  const fields = toFields(applyVersioning(exchange, next, services));
  return services.offers.has('etag-quoter') ? applyQuoting(exchange, 'Container', fields) : fields;
}

/** Whether the request says anything about system fields. */
export function namesFields(exchange: Exchange): boolean {
  const { headers } = exchange;
  const named = (header: string) =>
    headers[header] !== undefined || headers[header.replace('x-', 'x-remove-')] !== undefined;
  return (
    rules.some(({ header }) => named(header)) ||
    locationHeaders.some(named) ||
    named('x-versions-enabled') ||
    namesQuoting(exchange, 'Container')
  );
}

/** The headers of a container for its owner. */
export function writeFields(headers: Record<string, string | number>, { system }: Container): void {
  for (const { shown, field } of rules) {
    const value = system[field];
    if (value) headers[shown] = toHeader(value);
  }
}
