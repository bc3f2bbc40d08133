/** Refusals of the query APIs, which have error documents of their own. */
import { Failure, type FailureKind } from '#common';

const codes = {
  AccessDenied: [403, 'denied'],
  DeleteConflict: [409, 'conflict'],
  EntityAlreadyExists: [409, 'conflict'],
  ExpiredToken: [403, 'denied'],
  InvalidAction: [400, 'invalid'],
  InvalidInput: [400, 'invalid'],
  LimitExceeded: [409, 'conflict'],
  MalformedPolicyDocument: [400, 'invalid'],
  MissingParameter: [400, 'invalid'],
  NoSuchEntity: [404, 'missing'],
  ValidationError: [400, 'invalid'],
} as const satisfies Readonly<Record<string, readonly [number, FailureKind]>>;

export type IamCode = keyof typeof codes;

export class IamFailure extends Failure {
  readonly iamCode: IamCode;
  readonly status: number;

  constructor(code: IamCode, message: string, cause?: unknown) {
    const [status, kind] = codes[code];
    super(
      kind,
      `iam-${code.replace(/([A-Z])/g, (letter) => `-${letter.toLowerCase()}`).slice(1)}`,
      message,
      { cause },
    );
    this.iamCode = code;
    this.status = status;
  }
}
