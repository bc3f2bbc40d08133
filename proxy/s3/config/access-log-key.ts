/** Under which key the lines of an access log are put: simple, or by account, region, bucket and day. */
import type { XmlNode } from '../xml/parse.ts';
import { element, wrap } from '../xml/write.ts';
import { malformed, onlyChild, wordOf } from './bucket-document.ts';

/** `event`: by the day of the requests; `delivery`: by when the object is written. */
export type LogKeyFormat = 'plain' | 'simple' | 'event' | 'delivery';

const sources = { EventTime: 'event', DeliveryTime: 'delivery' } as const;

export function parseKeyFormat(node: XmlNode | undefined): LogKeyFormat {
  if (node === undefined) return 'plain';
  const parted = onlyChild(node, 'PartitionedPrefix');
  const simple = onlyChild(node, 'SimplePrefix');
  if ((parted === undefined) === (simple === undefined)) throw malformed();
  if (parted === undefined) return 'simple';
  const source = parted.childText('PartitionDateSource') ?? 'DeliveryTime';
  return sources[wordOf(source, ['EventTime', 'DeliveryTime'])];
}

export function renderKeyFormat(format: LogKeyFormat): string {
  if (format === 'plain') return '';
  if (format === 'simple') return wrap('TargetObjectKeyFormat', wrap('SimplePrefix', ''));
  const source = format === 'event' ? 'EventTime' : 'DeliveryTime';
  const inner = element('PartitionDateSource', source);
  return wrap('TargetObjectKeyFormat', wrap('PartitionedPrefix', inner));
}

export interface LogKeyParts {
  readonly prefix: string;
  readonly format: LogKeyFormat;
  readonly account: string;
  readonly region: string;
  readonly bucket: string;
  /** ISO times: of the requests' day, and of now. */
  readonly day: string;
  readonly now: string;
  readonly unique: string;
}

export function logKey(parts: LogKeyParts): string {
  const { prefix, format, account, region, bucket, day, now, unique } = parts;
  const stamp = now.slice(0, 19).replace(/[T:]/g, '-');
  if (format === 'plain' || format === 'simple') return `${prefix}${stamp}-${unique}`;
  const date = format === 'event' ? day : now;
  const folder = `${account}/${region}/${bucket}/${date.slice(0, 10).replaceAll('-', '/')}`;
  // By the event's time the hours say nothing: the object holds a whole day's.
  const when = format === 'event' ? `${date.slice(0, 10)}-00-00-00` : stamp;
  return `${prefix}${folder}/${when}-${unique}`;
}
