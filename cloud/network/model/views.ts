/** What is answered of any document. */

import type { Attributes } from './attributes.ts';
import type { Document } from './documents.ts';
import type { View } from './resource.ts';
import { fromMicroseconds } from './times.ts';

/** The attributes that the document holds, and what every resource has. */
export function plainView(attributes: Attributes, document: Document): Record<string, unknown> {
  const view: Record<string, unknown> = {};
  for (const [name, attribute] of Object.entries(attributes)) {
    if (attribute.hidden === true) continue;
    const value: unknown = Reflect.get(document, name);
    if (value !== undefined) view[name] = value;
  }
  return { ...view, ...standardView(attributes, document) };
}

function standardView(attributes: Attributes, document: Document): View {
  const all: Readonly<Record<string, unknown>> = {
    id: document.id,
    project_id: document.project_id,
    tenant_id: document.project_id,
    description: document.description ?? '',
    tags: document.tags ?? [],
    created_at: fromMicroseconds(document.createdAtUs),
    updated_at: fromMicroseconds(document.updatedAtUs),
    revision_number: document.revision,
  };
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => Object.hasOwn(attributes, name)),
  );
}
