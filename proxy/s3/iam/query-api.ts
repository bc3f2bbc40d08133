/**
 * The query APIs at the service's root: sessions (STS) and users (IAM). A form names an action and its parameters; answers and refusals are
 * documents of another shape than S3's.
 */
import { Failure } from '#common';
import { readDocument } from '../body/read-document.ts';
import type { Caller, Operation, S3Reply, S3Request } from '../context.ts';
import { isMethodRefusal, methodNotAllowed } from '../misplaced.ts';
import { renderedError } from '../render-error.ts';
import { xmlReply } from '../reply.ts';
import { element, wrap } from '../xml/write.ts';
import { accountActions } from './account-actions.ts';
import type { Accounts } from './accounts.ts';
import { groupActions } from './group-actions.ts';
import { IamFailure } from './iam-failure.ts';
import { roleActions } from './role-actions.ts';
import { sessionActions } from './session-actions.ts';
import { sharedPolicyActions } from './shared-policy-actions.ts';
import { tagActions } from './tag-actions.ts';
import { userActions } from './user-actions.ts';

export interface Query {
  readonly accounts: Accounts;
  readonly caller: Caller;
  readonly nowMs: number;
  /** Undefined when it is absent or empty. */
  find(name: string): string | undefined;
  /** Fails `MissingParameter`. */
  get(name: string): string;
}

/** Gives the inside of `ACTIONResult`. */
export type Action = (query: Query) => Promise<string> | string;

const formBytesMax = 131_072;

const families = [
  { namespace: 'https://sts.amazonaws.com/doc/2011-06-15/', actions: sessionActions },
  {
    namespace: 'https://iam.amazonaws.com/doc/2010-05-08/',
    actions: {
      ...userActions,
      ...groupActions,
      ...roleActions,
      ...sharedPolicyActions,
      ...tagActions,
      ...accountActions,
    },
  },
] as const;

export const queryActions: readonly string[] = families.flatMap(({ actions }) =>
  Object.keys(actions),
);

export const queryApi: Operation = async (request, { accounts }) => {
  let namespace: string = families[0].namespace;
  try {
    const document = await readDocument(request, formBytesMax);
    // Not even a form: whoever meant a bucket has forgotten its name.
    if (document.length === 0) throw methodNotAllowed('POST', 'service', 'GET');
    const form = new URLSearchParams(document.toString('utf8'));
    const action = form.get('Action') ?? '';
    const family = families.find(({ actions }) => Object.hasOwn(actions, action));
    if (accounts === undefined || family === undefined)
      throw new IamFailure('InvalidAction', `Could not find operation ${action.slice(0, 100)}`);
    ({ namespace } = family);
    const inner = await run(family.actions, action, queryOf(request, accounts, form));
    const meta = wrap('ResponseMetadata', element('RequestId', request.requestId));
    // Some actions have a result in which there is nothing, and clients miss it where it is not there.
    const result = wrap(`${action}Result`, inner);
    return xmlReply(200, rendered(`${action}Response`, namespace, result + meta));
  } catch (error) {
    if (!(error instanceof Failure) || isMethodRefusal(error)) throw error;
    return refusal(error, namespace, request);
  }
};

async function run(
  actions: Readonly<Record<string, Action>>,
  name: string,
  query: Query,
): Promise<string> {
  return (await actions[name]?.(query)) ?? '';
}

function queryOf(request: S3Request, accounts: Accounts, form: URLSearchParams): Query {
  const { caller, nowMs } = request;
  if (caller === undefined) throw new IamFailure('AccessDenied', 'The request must be signed.');
  const find = (name: string): string | undefined => form.get(name) || undefined;
  const get = (name: string): string => {
    const value = find(name);
    if (value === undefined)
      throw new IamFailure('MissingParameter', `The parameter ${name} is missing.`);
    return value;
  };
  return { accounts, caller, nowMs, find, get };
}

function rendered(root: string, namespace: string, inner: string): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root} xmlns="${namespace}">${inner}</${root}>`;
}

/** What these APIs call S3's refusals of a key. */
const otherNames: Readonly<Record<string, string>> = {
  InvalidAccessKeyId: 'InvalidClientTokenId',
  InvalidToken: 'InvalidClientTokenId',
};

/** Whether a request is one of these APIs': what is refused before its action is known is refused in their way as well. */
export function isQueryRequest({ method, url }: { readonly method: string; readonly url: string }) {
  return method === 'POST' && /^\/?(\?|$)/.test(url);
}

export function refuseQuery(error: unknown, requestId: string): S3Reply {
  return refusal(error, families[0].namespace, { requestId });
}

function refusal(
  error: unknown,
  namespace: string,
  { requestId }: Pick<S3Request, 'requestId'>,
): S3Reply {
  const { code, status, message } =
    error instanceof IamFailure
      ? { code: error.iamCode, status: error.status, message: error.message }
      : renderedQueryError(error);
  const type = status < 500 ? 'Sender' : 'Receiver';
  const inner =
    wrap('Error', element('Type', type) + element('Code', code) + element('Message', message)) +
    element('RequestId', requestId);
  return xmlReply(status, rendered('ErrorResponse', namespace, inner));
}

function renderedQueryError(error: unknown) {
  const seen = renderedError(error);
  return { ...seen, code: otherNames[seen.code] ?? seen.code };
}
