/** `container/object` as headers have it: percent-encoded, with or without a slash in front. Pure. */
import type { ObjectPlace } from '../objects/index.ts';
import { htmlType, refusal } from './refusal.ts';
import { decodePercent, encodePercent } from './text.ts';

export interface ContainerPath {
  readonly container: string;
  readonly object: string;
}

export function parseObjectPath(header: string, value: string): ContainerPath {
  const path = decodePercent(value)?.replace(/^\//, '');
  const cut = path?.indexOf('/') ?? -1;
  if (path === undefined || cut <= 0 || cut === path.length - 1)
    throw refusal(
      'precondition-failed',
      `${header} header must be of the form <container name>/<object name>`,
      { 'Content-Type': htmlType },
    );
  return { container: path.slice(0, cut), object: path.slice(cut + 1) };
}

/** `front`: what stands before Swift's own path at a common address. */
export function locationOf({ account, container, object }: ObjectPlace, front = ''): string {
  return `${front}/v1/${encodePercent(`${account}/${container}/${object}`)}`;
}
