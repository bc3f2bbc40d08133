/**
 * grpc-js gives clients a setting for the HTTP/2 window and servers none (1.14): an upload then stops every 64 KiB for a
 * round trip. The session under a call is reached through two private fields; when they are not there any more,
 * this says so, and a test fails, instead of uploads becoming slow unnoticed.
 */
import type { Http2Session } from 'node:http2';

/** Widens the windows of the session that carries the call; false when it could not be found. */
export function widenWindow(call: unknown, windowBytes: number): boolean {
  const session = sessionOf(call);
  if (session === undefined) return false;
  const { localWindowSize } = session.state;
  if (localWindowSize === undefined || localWindowSize < windowBytes) {
    session.settings({ initialWindowSize: windowBytes });
    session.setLocalWindowSize(windowBytes);
  }
  return true;
}

function sessionOf(call: unknown): Http2Session | undefined {
  let at: unknown = call;
  // The call holds an intercepting call, which (after any interceptors) holds the stream, which knows its session.
  for (const name of ['call', 'stream', 'session']) at = fieldOf(at, name);
  return isSession(at) ? at : undefined;
}

function fieldOf(holder: unknown, name: string): unknown {
  return typeof holder === 'object' && holder !== null ? Reflect.get(holder, name) : undefined;
}

function isSession(value: unknown): value is Http2Session {
  return (
    typeof fieldOf(value, 'setLocalWindowSize') === 'function' &&
    typeof fieldOf(value, 'settings') === 'function'
  );
}
