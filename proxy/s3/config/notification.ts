/** Which events of a bucket are told to whom. */
import { hash } from 'node:crypto';
import { invalidArgument, S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, wrap } from '../xml/write.ts';
import { type BucketDocument, malformed, onlyChild, requiredText } from './bucket-document.ts';

export interface NotificationRule {
  readonly id: string;
  /** The element it came in, and the name of the element that holds the target. */
  readonly kind: keyof typeof kinds;
  readonly target: string;
  readonly events: readonly string[];
  readonly prefix: string;
  readonly suffix: string;
}

const kinds = {
  TopicConfiguration: 'Topic',
  QueueConfiguration: 'Queue',
  CloudFunctionConfiguration: 'CloudFunction',
} as const;

const rulesMax = 100;

const events = new Set([
  ...[
    's3:ObjectCreated:*',
    's3:ObjectCreated:Put',
    's3:ObjectCreated:Post',
    's3:ObjectCreated:Copy',
  ],
  ...['s3:ObjectCreated:CompleteMultipartUpload', 's3:ObjectRemoved:*', 's3:ObjectRemoved:Delete'],
  ...['s3:ObjectRemoved:DeleteMarkerCreated', 's3:ObjectTagging:*', 's3:ObjectTagging:Put'],
  ...['s3:ObjectTagging:Delete', 's3:ObjectAcl:Put', 's3:LifecycleExpiration:*'],
  ...['s3:LifecycleExpiration:Delete', 's3:LifecycleExpiration:DeleteMarkerCreated'],
  's3:LifecycleTransition',
]);

export const notificationDocument: BucketDocument<readonly NotificationRule[]> = {
  field: 's3-notification',
  root: 'NotificationConfiguration',
  tagsMax: 10_000,
  actions: { get: 's3:GetBucketNotification', put: 's3:PutBucketNotification' },
  absent: { inner: '' },
  parse: (root) => {
    if (root.children('EventBridgeConfiguration').length > 0)
      throw new S3Failure('NotImplemented', { message: 'There is no EventBridge here.' });
    const rules = Object.keys(kinds).flatMap((kind) =>
      isKind(kind) ? root.children(kind).map((node) => parseRule(kind, node)) : [],
    );
    if (rules.length > rulesMax) throw malformed();
    if (new Set(rules.map(({ id }) => id)).size !== rules.length)
      throw new S3Failure('InvalidArgument', {
        message: 'Same ID used for multiple configurations.',
      });
    return rules;
  },
  render: (rules) => rules.map(renderRule).join(''),
  check: (rules, { services }) => {
    for (const { target } of rules)
      if (!services.notifier.knows(target))
        throw invalidArgument(
          target,
          'null',
          'Unable to validate the following destination configurations',
        );
  },
};

function isKind(name: string): name is keyof typeof kinds {
  return Object.hasOwn(kinds, name);
}

function parseRule(kind: keyof typeof kinds, node: XmlNode): NotificationRule {
  const target = requiredText(node, kinds[kind]);
  const wanted = node.children('Event').map(({ text }) => text.trim());
  if (wanted.length === 0) throw malformed();
  for (const event of wanted)
    if (!events.has(event))
      throw new S3Failure('InvalidArgument', {
        message: 'The event is not supported for notifications',
        details: { ArgumentName: event, ArgumentValue: 'null' },
      });
  const rule = { kind, target, events: wanted, ...parseFilter(node) };
  return { ...rule, id: node.childText('Id')?.trim() || hash('md5', JSON.stringify(rule)) };
}

function parseFilter(node: XmlNode): { readonly prefix: string; readonly suffix: string } {
  const key = onlyChild(node, 'Filter')?.children('S3Key')[0];
  const found = { prefix: '', suffix: '' };
  for (const rule of key?.children('FilterRule') ?? []) {
    const name = requiredText(rule, 'Name').toLowerCase();
    if (name !== 'prefix' && name !== 'suffix')
      throw invalidArgument(
        'FilterRule.Name',
        name,
        'filter rule name must be either prefix or suffix',
      );
    found[name] = rule.childText('Value') ?? '';
  }
  return found;
}

function renderRule({
  id,
  kind,
  target,
  events: wanted,
  prefix,
  suffix,
}: NotificationRule): string {
  const rule = (name: string, value: string) =>
    value === '' ? '' : wrap('FilterRule', element('Name', name) + element('Value', value));
  const rules = rule('prefix', prefix) + rule('suffix', suffix);
  return wrap(
    kind,
    element('Id', id) +
      element(kinds[kind], target) +
      wanted.map((event) => element('Event', event)).join('') +
      (rules === '' ? '' : wrap('Filter', wrap('S3Key', rules))),
  );
}

/** Whether a rule is about an event (`s3:ObjectCreated:Put`) of a key. */
export function isAbout(rule: NotificationRule, event: string, key: string): boolean {
  const group = `${event.split(':').slice(0, 2).join(':')}:*`;
  return (
    (rule.events.includes(event) || rule.events.includes(group)) &&
    key.startsWith(rule.prefix) &&
    key.endsWith(rule.suffix)
  );
}
