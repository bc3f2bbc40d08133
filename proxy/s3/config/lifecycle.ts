/** Lifecycle rules: when objects, older versions and unfinished uploads go, or change their storage class. */
import { hash } from 'node:crypto';
import { S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import {
  type BucketDocument,
  malformed,
  onlyChild,
  requiredText,
  wholeNumber,
  wordOf,
} from './bucket-document.ts';
import { checkTags, objectTagsMax, renderTag, type TagList } from './tags.ts';

export interface LifecycleFilter {
  readonly prefix: string;
  readonly tags: TagList;
  readonly sizeAbove: number | undefined;
  readonly sizeBelow: number | undefined;
}

/** After days, or from a date (milliseconds). */
export interface When {
  readonly days?: number;
  readonly dateMs?: number;
}

export interface Transition extends When {
  readonly storageClass: string;
}

export interface LifecycleRule {
  readonly id: string;
  readonly enabled: boolean;
  readonly filter: LifecycleFilter;
  /** Shown as it came: the old `Prefix`, or a `Filter`. */
  readonly shown: string;
  readonly expiration: When | undefined;
  readonly expiredMarkers: boolean;
  readonly noncurrentDays: number | undefined;
  readonly newerNoncurrent: number | undefined;
  readonly abortDays: number | undefined;
  readonly transitions: readonly Transition[];
  readonly noncurrentTransitions: readonly {
    readonly days: number;
    readonly storageClass: string;
  }[];
}

const rulesMax = 1_000;

export const lifecycleDocument: BucketDocument<readonly LifecycleRule[]> = {
  field: 's3-lifecycle',
  duty: 'lifecycle',
  root: 'LifecycleConfiguration',
  tagsMax: 100_000,
  actions: { get: 's3:GetLifecycleConfiguration', put: 's3:PutLifecycleConfiguration' },
  absent: { error: 'NoSuchLifecycleConfiguration' },
  parse: (root) => {
    const rules = root.children('Rule').map(parseRule);
    if (rules.length === 0 || rules.length > rulesMax) throw malformed();
    if (new Set(rules.map(({ id }) => id)).size !== rules.length)
      throw new S3Failure('InvalidArgument', {
        message: 'Rule ID must be unique. Found same ID for more than one rule',
      });
    return rules;
  },
  render: (rules) => rules.map(renderRule).join(''),
  check: (rules, { services }) => {
    for (const rule of rules) checkSense(rule);
    for (const { transitions, noncurrentTransitions } of rules)
      for (const { storageClass } of [...transitions, ...noncurrentTransitions])
        checkTransition(storageClass, services.settings);
  },
};

function invalid(code: 'InvalidArgument' | 'InvalidRequest', message: string): S3Failure {
  return new S3Failure(code, { message });
}

/** What can be read, and means nothing or contradicts itself. */
function checkSense({ filter, expiration, expiredMarkers, transitions }: LifecycleRule): void {
  const about = `for filter '(prefix=${filter.prefix})'`;
  if (expiredMarkers && filter.tags.length > 0)
    throw invalid('InvalidRequest', 'ExpiredObjectDeleteMarker cannot be specified with Tags.');
  const { sizeAbove, sizeBelow } = filter;
  if (sizeAbove !== undefined && sizeBelow !== undefined && sizeAbove >= sizeBelow)
    throw invalid(
      'InvalidRequest',
      "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.",
    );
  const all: readonly When[] =
    expiration === undefined ? transitions : [...transitions, expiration];
  const dated = all.filter(({ dateMs }) => dateMs !== undefined).length;
  if (dated > 0 && dated < all.length)
    throw invalid(
      'InvalidRequest',
      `Found mixed 'Date' and 'Days' based Expiration and Transition actions in lifecycle rule ${about}`,
    );
  for (const { days, dateMs } of transitions)
    if ((days ?? dateMs ?? 0) >= (expiration?.days ?? expiration?.dateMs ?? Infinity))
      throw invalid(
        'InvalidArgument',
        `'${days === undefined ? 'Date' : 'Days'}' in the Expiration action ${about} must be greater than '${days === undefined ? 'Date' : 'Days'}' in the Transition action`,
      );
}

function checkTransition(
  storageClass: string,
  settings: { readonly storageClasses: string },
): void {
  if (!settings.storageClasses.split(',').includes(storageClass)) throw malformed();
}

function parseRule(node: XmlNode): LifecycleRule {
  const given = node.childText('ID')?.trim();
  if (given !== undefined && given.length > 255)
    throw new S3Failure('InvalidArgument', {
      message: 'ID length should not exceed allowed limit of 255',
    });
  const filterNode = onlyChild(node, 'Filter');
  const prefixNode = onlyChild(node, 'Prefix');
  if (filterNode !== undefined && prefixNode !== undefined) throw malformed();
  const filter =
    filterNode === undefined ? prefixOnly(prefixNode?.text ?? '') : parseFilter(filterNode);
  const expiration = onlyChild(node, 'Expiration');
  const noncurrent = onlyChild(node, 'NoncurrentVersionExpiration');
  const abort = onlyChild(node, 'AbortIncompleteMultipartUpload');
  const rule: LifecycleRule = {
    id: '',
    enabled: wordOf(node.childText('Status'), ['Enabled', 'Disabled']) === 'Enabled',
    filter,
    shown:
      filterNode === undefined
        ? element('Prefix', filter.prefix)
        : renderFilter(filter, filterNode),
    expiration: expiration === undefined ? undefined : parseExpiration(expiration),
    expiredMarkers: expiration?.childText('ExpiredObjectDeleteMarker')?.trim() === 'true',
    noncurrentDays:
      noncurrent === undefined
        ? undefined
        : positiveDays(
            noncurrent.childText('NoncurrentDays'),
            'NoncurrentDays',
            'NoncurrentVersionExpiration',
          ),
    newerNoncurrent: optionalNumber(noncurrent, 'NewerNoncurrentVersions'),
    abortDays:
      abort === undefined
        ? undefined
        : positiveDays(
            abort.childText('DaysAfterInitiation'),
            'DaysAfterInitiation',
            'AbortIncompleteMultipartUpload',
          ),
    transitions: node.children('Transition').map(parseTransition),
    noncurrentTransitions: node.children('NoncurrentVersionTransition').map((each) => ({
      days: wholeNumber(each.childText('NoncurrentDays')),
      storageClass: requiredText(each, 'StorageClass'),
    })),
  };
  checkActions(rule);
  // A rule without a name gets one that is the same each time.
  return { ...rule, id: given || hash('md5', JSON.stringify(rule)) };
}

function checkActions(rule: LifecycleRule): void {
  const acts =
    rule.expiration !== undefined ||
    rule.expiredMarkers ||
    rule.noncurrentDays !== undefined ||
    rule.abortDays !== undefined ||
    rule.transitions.length > 0 ||
    rule.noncurrentTransitions.length > 0;
  if (!acts)
    throw new S3Failure('InvalidRequest', {
      message: 'At least one action needs to be specified in a rule.',
    });
  if (rule.abortDays !== undefined && rule.filter.tags.length > 0)
    throw new S3Failure('InvalidRequest', {
      message: 'AbortIncompleteMultipartUpload cannot be specified with Tags.',
    });
}

function prefixOnly(prefix: string): LifecycleFilter {
  return { prefix, tags: [], sizeAbove: undefined, sizeBelow: undefined };
}

function parseFilter(node: XmlNode): LifecycleFilter {
  const and = onlyChild(node, 'And');
  const from = and ?? node;
  const tags = from
    .children('Tag')
    .map((tag) => [requiredText(tag, 'Key'), tag.childText('Value') ?? ''] as const);
  checkTags(tags, objectTagsMax);
  return {
    prefix: onlyChild(from, 'Prefix')?.text ?? '',
    tags,
    sizeAbove: optionalNumber(from, 'ObjectSizeGreaterThan'),
    sizeBelow: optionalNumber(from, 'ObjectSizeLessThan'),
  };
}

function optionalNumber(node: XmlNode | undefined, name: string): number | undefined {
  const text = node?.childText(name);
  if (text === undefined) return undefined;
  const value = wholeNumber(text);
  if (value < 0) throw malformed();
  return value;
}

function positiveDays(text: string | undefined, name = 'Days', action = 'Expiration'): number {
  const days = wholeNumber(text);
  if (days <= 0)
    throw new S3Failure('InvalidArgument', {
      message: `'${name}' for ${action} action must be a positive integer`,
    });
  return days;
}

function parseExpiration(node: XmlNode): When | undefined {
  const days = node.childText('Days');
  const date = node.childText('Date');
  const marker = node.childText('ExpiredObjectDeleteMarker');
  if ([days, date, marker].filter((each) => each !== undefined).length !== 1) throw malformed();
  if (days !== undefined) return { days: positiveDays(days) };
  return date === undefined ? undefined : { dateMs: midnight(date) };
}

function midnight(text: string): number {
  const ms = /^\d{4}-\d\d-\d\d(T[\d:.]+(Z|[+-]\d\d:?\d\d))?$/.test(text.trim())
    ? Date.parse(text.trim())
    : Number.NaN;
  if (Number.isNaN(ms)) throw malformed();
  if (ms % 86_400_000 !== 0)
    throw new S3Failure('InvalidArgument', { message: "'Date' must be at midnight GMT" });
  return ms;
}

function parseTransition(node: XmlNode): Transition {
  const storageClass = requiredText(node, 'StorageClass');
  const days = node.childText('Days');
  const date = node.childText('Date');
  if ((days === undefined) === (date === undefined)) throw malformed();
  if (date !== undefined) return { storageClass, dateMs: midnight(date) };
  const count = wholeNumber(days);
  if (count < 0)
    throw new S3Failure('InvalidArgument', {
      message: "'Days' in Transition action must be nonnegative",
    });
  return { storageClass, days: count };
}

function renderFilter(filter: LifecycleFilter, node: XmlNode): string {
  const inner =
    (node.children('Prefix').length > 0 || onlyChild(node, 'And')?.children('Prefix').length
      ? element('Prefix', filter.prefix)
      : '') +
    filter.tags.map(renderTag).join('') +
    optionalElement('ObjectSizeGreaterThan', filter.sizeAbove) +
    optionalElement('ObjectSizeLessThan', filter.sizeBelow);
  return wrap('Filter', node.children('And').length > 0 ? wrap('And', inner) : inner);
}

function renderWhen({ days, dateMs }: When): string {
  return (
    optionalElement('Days', days) +
    optionalElement('Date', dateMs === undefined ? undefined : new Date(dateMs).toISOString())
  );
}

function renderRule(rule: LifecycleRule): string {
  const expiration =
    rule.expiration === undefined && !rule.expiredMarkers
      ? ''
      : wrap(
          'Expiration',
          renderWhen(rule.expiration ?? {}) +
            (rule.expiredMarkers ? element('ExpiredObjectDeleteMarker', true) : ''),
        );
  const noncurrent =
    rule.noncurrentDays === undefined
      ? ''
      : wrap(
          'NoncurrentVersionExpiration',
          element('NoncurrentDays', rule.noncurrentDays) +
            optionalElement('NewerNoncurrentVersions', rule.newerNoncurrent),
        );
  const abort =
    rule.abortDays === undefined
      ? ''
      : wrap('AbortIncompleteMultipartUpload', element('DaysAfterInitiation', rule.abortDays));
  const transitions = rule.transitions.map((each) =>
    wrap('Transition', renderWhen(each) + element('StorageClass', each.storageClass)),
  );
  const older = rule.noncurrentTransitions.map(({ days, storageClass }) =>
    wrap(
      'NoncurrentVersionTransition',
      element('NoncurrentDays', days) + element('StorageClass', storageClass),
    ),
  );
  return wrap(
    'Rule',
    element('ID', rule.id) +
      rule.shown +
      element('Status', rule.enabled ? 'Enabled' : 'Disabled') +
      expiration +
      noncurrent +
      abort +
      transitions.join('') +
      older.join(''),
  );
}
