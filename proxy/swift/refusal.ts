/** How failures look in the Swift dialect: one table over every code, and bodies as Swift words them. */
import { Failure, isFailure } from '#common';
import type { Reply, ReplyHeaders } from '../exchange.ts';
import type { ClusterFailureCode, ObjectFailureCode } from '../objects/index.ts';

/** Refusals that the dialect itself decides on. */
export type SwiftCode =
  | 'bad-request'
  | 'unauthorized'
  | 'forbidden'
  | 'not-found'
  | 'method-not-allowed'
  | 'not-acceptable'
  | 'length-required'
  | 'precondition-failed'
  | 'too-large'
  | 'range-not-satisfiable'
  | 'unprocessable'
  | 'conflict'
  | 'not-implemented'
  | 'bad-url'
  | 'unavailable';

const statuses: Readonly<Record<SwiftCode | ObjectFailureCode | ClusterFailureCode, number>> = {
  'bad-request': 400,
  unauthorized: 401,
  forbidden: 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  'length-required': 411,
  'precondition-failed': 412,
  'too-large': 413,
  'range-not-satisfiable': 416,
  unprocessable: 422,
  conflict: 409,
  'not-implemented': 501,
  'bad-url': 412,
  unavailable: 503,
  'container-missing': 404,
  'object-missing': 404,
  'upload-missing': 404,
  'version-missing': 404,
  'encryption-key-needed': 400,
  'encryption-key-unwanted': 400,
  'encryption-key-wrong': 403,
  'encryption-key-missing': 500,
  'delete-marker': 404,
  'version-locked': 403,
  'version-contended': 503,
  'container-exists': 202,
  'container-name-taken': 409,
  'container-not-empty': 409,
  'container-deleting': 409,
  'condition-failed': 412,
  'upload-completing': 409,
  'body-too-short': 499,
  'body-too-long': 400,
  'body-too-large': 413,
  'body-timeout': 408,
  'body-aborted': 499,
  'md5-mismatch': 422,
  'name-invalid': 400,
  'metadata-too-large': 400,
  'part-number-invalid': 400,
  'policy-unavailable': 400,
  'part-missing': 400,
  'part-order': 400,
  'part-too-small': 400,
  'too-many-parts': 400,
  'segment-changed': 409,
  'link-changed': 409,
  'link-too-long': 409,
  'row-malformed': 500,
  'service-closed': 503,
  'no-quorum': 503,
  'update-contended': 503,
  'row-too-large': 413,
  'blob-missing': 503,
  'blob-corrupt': 503,
  fenced: 503,
  'too-many-waiting': 503,
};

function isKnown(code: string): code is keyof typeof statuses {
  return Object.hasOwn(statuses, code);
}

const reasons: Readonly<Record<number, readonly [string, string]>> = {
  202: ['Accepted', 'The request is accepted for processing.'],
  400: [
    'Bad Request',
    'The server could not comply with the request since it is either malformed or otherwise incorrect.',
  ],
  401: [
    'Unauthorized',
    'This server could not verify that you are authorized to access the document you requested.',
  ],
  403: ['Forbidden', 'Access was denied to this resource.'],
  404: ['Not Found', 'The resource could not be found.'],
  405: ['Method Not Allowed', 'The method is not allowed for this resource.'],
  406: ['Not Acceptable', 'The resource is not available in a format acceptable to your browser.'],
  408: [
    'Request Timeout',
    'The server has waited too long for the request to be sent by the client.',
  ],
  409: ['Conflict', 'There was a conflict when trying to complete your request.'],
  411: ['Length Required', 'Content-Length header required.'],
  412: ['Precondition Failed', 'A precondition for this request was not met.'],
  413: ['Request Entity Too Large', 'The body of your request was too large for this server.'],
  416: ['Requested Range Not Satisfiable', 'The Range requested is not available.'],
  422: ['Unprocessable Entity', 'Unable to process the contained instructions'],
  499: ['Client Disconnect', 'The client was disconnected during request.'],
  500: [
    'Internal Error',
    'The server has either erred or is incapable of performing the requested operation.',
  ],
  501: ['Not Implemented', 'The requested method is not implemented by this server.'],
  503: [
    'Service Unavailable',
    'The server is currently unavailable. Please try again at a later time.',
  ],
};

/** The usual words for a status: its name, and a sentence. */
export function reasonOf(status: number): string {
  return (reasons[status] ?? [statusLine(status)]).join('\n');
}

/** A refusal with a text of its own, or (empty) the usual page for its status. */
export function refusal(code: SwiftCode, text = '', headers: ReplyHeaders = {}): SwiftRefusal {
  return new SwiftRefusal(code, text, headers);
}

/** A Failure that carries what its answer needs beyond the code. */
export class SwiftRefusal extends Failure {
  readonly text: string;
  readonly headers: ReplyHeaders;

  constructor(code: SwiftCode, text: string, headers: ReplyHeaders) {
    super('invalid', code, text === '' ? code : text);
    this.text = text;
    this.headers = headers;
  }
}

/** A failure whose answer is already made. */
export class RenderedFailure extends Failure {
  readonly reply: Reply;

  constructor(cause: Failure, reply: Reply) {
    super(cause.kind, cause.code, cause.message, { cause });
    this.reply = reply;
  }
}

export function statusOf(error: unknown): number {
  if (error instanceof RenderedFailure) return error.reply.status;
  if (!isFailure(error)) return 500;
  if (isKnown(error.code)) return statuses[error.code];
  return error.kind === 'busy' || error.kind === 'unreachable' || error.kind === 'closed'
    ? 503
    : 500;
}

export const htmlType = 'text/html; charset=UTF-8';

export function page(status: number, headers: ReplyHeaders = {}): Reply {
  const [title, text] = reasons[status] ?? ['Error', ''];
  const body = `<html><h1>${title}</h1><p>${text}</p></html>`;
  return { status, headers: { 'Content-Type': htmlType, ...headers }, body };
}

export function textReply(status: number, text: string, headers: ReplyHeaders = {}): Reply {
  return { status, headers: { 'Content-Type': htmlType, ...headers }, body: text };
}

/** The status line as Swift writes it into bodies: `404 Not Found`. */
export function statusLine(status: number): string {
  const known: Readonly<Record<number, string>> = { 200: 'OK', 201: 'Created', 204: 'No Content' };
  return `${status} ${reasons[status]?.[0] ?? known[status] ?? 'Error'}`;
}

/** What a handler answers, its failures included; those that are nobody's fault but ours go on. */
export async function settled(answer: () => Promise<Reply>): Promise<Reply> {
  try {
    return await answer();
  } catch (error) {
    const reply = renderFailure(error);
    if (reply.status === 500) throw error;
    return reply;
  }
}

export function isSuccess({ status }: Reply): boolean {
  return status >= 200 && status < 300;
}

export function renderFailure(error: unknown): Reply {
  if (error instanceof RenderedFailure) return error.reply;
  if (error instanceof SwiftRefusal && error.text !== '')
    return {
      status: statusOf(error),
      headers: { 'Content-Type': 'text/plain', ...error.headers },
      body: error.text,
    };
  return page(statusOf(error), error instanceof SwiftRefusal ? error.headers : {});
}
