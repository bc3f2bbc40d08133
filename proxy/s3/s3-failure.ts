/** A failure that already knows its S3 name; whatever parses a request throws it, and `render-error.ts` renders it. */
import { Failure } from '#common';
import { errorTable, type S3Code } from './error-table.ts';

export interface S3FailureOptions {
  /** Replaces the table's sentence. */
  readonly message?: string;
  /** Extra elements of the error document, in order. */
  readonly details?: Readonly<Record<string, string>>;
  /** Extra response headers. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly cause?: unknown;
}

export class S3Failure extends Failure {
  readonly s3Code: S3Code;
  readonly details: Readonly<Record<string, string>>;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: S3Code, options: S3FailureOptions = {}) {
    const { kind, message } = errorTable[code];
    super(kind, kebab(code), options.message ?? message, { cause: options.cause });
    this.s3Code = code;
    this.details = options.details ?? {};
    this.headers = options.headers ?? {};
  }
}

/** `NoSuchKey` → `s3-no-such-key`. */
function kebab(code: S3Code): string {
  return `s3${code.replace(/([A-Z]+(?![a-z])|[A-Z])/g, (capital) => `-${capital.toLowerCase()}`)}`;
}

export function invalidArgument(name: string, value: string, message: string): S3Failure {
  return new S3Failure('InvalidArgument', {
    message,
    details: { ArgumentName: name, ArgumentValue: value },
  });
}
