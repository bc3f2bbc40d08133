/** Continuation tokens: where a listing goes on. Opaque to clients, versioned, and refused when they are not ours. */
import { invalidArgument } from './s3-failure.ts';

export interface ListPosition {
  /** The last name or collapsed prefix of the page before. */
  readonly after: string;
  /** It was a collapsed prefix: everything under it has been told. */
  readonly collapsed?: boolean;
}

export function encodeToken(position: ListPosition): string {
  const kind = position.collapsed === true ? 'p' : 'n';
  return Buffer.from(`1${kind}${position.after}`, 'utf8').toString('base64url');
}

export function decodeToken(token: string): ListPosition {
  const bytes = Buffer.from(token, 'base64url');
  const text = bytes.toString('utf8');
  const kind = text.charAt(1);
  const ours = text.startsWith('1') && (kind === 'n' || kind === 'p') && !text.includes('\ufffd');
  if (!ours || bytes.length > 1200 || bytes.toString('base64url') !== token)
    throw invalidArgument(
      'continuation-token',
      token.slice(0, 200),
      'The continuation token provided is incorrect',
    );
  return { after: text.slice(2), collapsed: kind === 'p' };
}
