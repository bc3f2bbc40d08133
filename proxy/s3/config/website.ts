/** A bucket as a web site: its index and error pages, its redirects and routing rules. */
import { S3Failure } from '../s3-failure.ts';
import type { XmlNode } from '../xml/parse.ts';
import { element, optionalElement, wrap } from '../xml/write.ts';
import { type BucketDocument, malformed, onlyChild, requiredText } from './bucket-document.ts';

export interface Website {
  readonly indexSuffix: string | undefined;
  readonly errorKey: string | undefined;
  readonly redirectAll:
    | { readonly host: string; readonly protocol: string | undefined }
    | undefined;
  readonly rules: readonly RoutingRule[];
}

export interface RoutingRule {
  readonly prefix: string | undefined;
  readonly errorCode: number | undefined;
  readonly protocol: string | undefined;
  readonly host: string | undefined;
  readonly replacePrefix: string | undefined;
  readonly replaceKey: string | undefined;
  readonly code: number;
}

const rulesMax = 50;

export const websiteDocument: BucketDocument<Website> = {
  field: 's3-website',
  root: 'WebsiteConfiguration',
  tagsMax: 2_000,
  actions: {
    get: 's3:GetBucketWebsite',
    put: 's3:PutBucketWebsite',
    delete: 's3:DeleteBucketWebsite',
  },
  absent: { error: 'NoSuchWebsiteConfiguration' },
  parse: parseWebsite,
  render: renderWebsite,
};

function parseWebsite(root: XmlNode): Website {
  const all = onlyChild(root, 'RedirectAllRequestsTo');
  if (all !== undefined) {
    const others = ['IndexDocument', 'ErrorDocument', 'RoutingRules'];
    if (others.some((name) => root.children(name).length > 0)) throw malformed();
    return {
      indexSuffix: undefined,
      errorKey: undefined,
      redirectAll: { host: requiredText(all, 'HostName'), protocol: protocolOf(all) },
      rules: [],
    };
  }
  const index = onlyChild(root, 'IndexDocument');
  if (index === undefined)
    throw new S3Failure('InvalidArgument', {
      message:
        'A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty',
      details: { ArgumentName: 'IndexDocument', ArgumentValue: 'null' },
    });
  const suffix = index.childText('Suffix')?.trim();
  if (suffix === undefined) throw malformed();
  if (suffix === '' || suffix.includes('/'))
    throw new S3Failure('InvalidArgument', {
      message: 'The IndexDocument Suffix is not well formed',
      details: { ArgumentName: 'IndexDocument', ArgumentValue: suffix },
    });
  const rules = (onlyChild(root, 'RoutingRules')?.children('RoutingRule') ?? []).map(parseRule);
  if (rules.length > rulesMax)
    throw invalid(
      `${rules.length} routing rules provided, the number of routing rules in a website configuration is limited to ${rulesMax}.`,
    );
  const errorKey = onlyChild(root, 'ErrorDocument')?.childText('Key');
  if (errorKey === '')
    throw new S3Failure('InvalidArgument', {
      message: 'The ErrorDocument Key is not well formed',
      details: { ArgumentName: 'ErrorDocument', ArgumentValue: '' },
    });
  return {
    indexSuffix: suffix,
    errorKey,
    redirectAll: undefined,
    rules,
  };
}

function invalid(message: string): S3Failure {
  return new S3Failure('InvalidRequest', { message });
}

function protocolOf(node: XmlNode): string | undefined {
  const text = node.childText('Protocol')?.trim();
  if (text === undefined || text === '') return undefined;
  if (text === 'http' || text === 'https') return text;
  throw invalid(
    'Invalid protocol, protocol can be http or https. If not defined the protocol will be selected automatically.',
  );
}

const redirectCodes: ReadonlySet<number> = new Set([301, 302, 303, 304, 305, 307, 308]);

function isErrorCode(code: number): boolean {
  return (code >= 400 && code <= 417) || (code >= 500 && code <= 505);
}

function parseRule(node: XmlNode): RoutingRule {
  const condition = onlyChild(node, 'Condition');
  const redirect = onlyChild(node, 'Redirect');
  if (redirect === undefined || isBare(redirect, ofRedirect)) throw malformed();
  if (condition !== undefined && isBare(condition, ofCondition)) throw malformed();
  const errorCode = numberOf(condition?.childText('HttpErrorCodeReturnedEquals'));
  const code = numberOf(redirect.childText('HttpRedirectCode')) ?? 301;
  if (!redirectCodes.has(code))
    throw invalid(
      `The provided HTTP redirect code (${code}) is not valid. Valid codes are 3XX except 300.`,
    );
  if (errorCode !== undefined && !isErrorCode(errorCode))
    throw invalid(
      `The provided HTTP error code (${errorCode}) is not valid. Valid codes are 4XX or 5XX.`,
    );
  const replacePrefix = redirect.childText('ReplaceKeyPrefixWith');
  const replaceKey = redirect.childText('ReplaceKeyWith');
  if (replacePrefix !== undefined && replaceKey !== undefined)
    throw invalid('You can only define ReplaceKeyPrefix or ReplaceKey but not both.');
  return {
    prefix: condition?.childText('KeyPrefixEquals'),
    errorCode,
    protocol: protocolOf(redirect),
    host: redirect.childText('HostName'),
    replacePrefix,
    replaceKey,
    code,
  };
}

const ofCondition = ['KeyPrefixEquals', 'HttpErrorCodeReturnedEquals'];
const ofRedirect = [
  ...['HostName', 'HttpRedirectCode', 'Protocol', 'ReplaceKeyPrefixWith', 'ReplaceKeyWith'],
];

function isBare(node: XmlNode, names: readonly string[]): boolean {
  return !names.some((name) => node.children(name).length > 0);
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  if (!/^\d{3}$/.test(text.trim())) throw malformed();
  return Number(text);
}

function renderWebsite({ indexSuffix, errorKey, redirectAll, rules }: Website): string {
  if (redirectAll !== undefined)
    return wrap(
      'RedirectAllRequestsTo',
      element('HostName', redirectAll.host) + optionalElement('Protocol', redirectAll.protocol),
    );
  const error = errorKey === undefined ? '' : wrap('ErrorDocument', element('Key', errorKey));
  const routing = rules.length === 0 ? '' : wrap('RoutingRules', rules.map(renderRule).join(''));
  return wrap('IndexDocument', element('Suffix', indexSuffix ?? '')) + error + routing;
}

function renderRule(rule: RoutingRule): string {
  const condition =
    optionalElement('KeyPrefixEquals', rule.prefix) +
    optionalElement('HttpErrorCodeReturnedEquals', rule.errorCode);
  const redirect =
    optionalElement('Protocol', rule.protocol) +
    optionalElement('HostName', rule.host) +
    optionalElement('ReplaceKeyPrefixWith', rule.replacePrefix) +
    optionalElement('ReplaceKeyWith', rule.replaceKey) +
    element('HttpRedirectCode', rule.code);
  return wrap(
    'RoutingRule',
    (condition === '' ? '' : wrap('Condition', condition)) + wrap('Redirect', redirect),
  );
}
