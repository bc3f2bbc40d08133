/** Conditional reads: what `If-…` headers make of an object's state. Pure. */
import type { Exchange } from '../exchange.ts';
import { headerOf } from './swift-request.ts';

export interface ObjectState {
  /** Without quotes. */
  readonly etag: string;
  readonly modifiedUs: number;
}

/** ETags of a header without their quotes and weakness. */
export function parseEtags(header: string): string[] {
  return header.split(',').map((tag) => stripQuotes(tag.trim().replace(/^W\//, '')));
}

export function stripQuotes(tag: string): string {
  return tag.length >= 2 && tag.startsWith('"') && tag.endsWith('"') ? tag.slice(1, -1) : tag;
}

/** Seconds, or undefined for no date: such a header is ignored. */
function parseDate(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = Date.parse(header);
  return Number.isNaN(ms) ? undefined : Math.floor(ms / 1000);
}

/** 304, 412, or undefined when the object is to be sent. */
export function evaluateConditions(exchange: Exchange, state: ObjectState): 304 | 412 | undefined {
  const { headers } = exchange;
  const noneMatch = headerOf(exchange, 'if-none-match');
  const match = headerOf(exchange, 'if-match');
  const since = headers['if-modified-since'];
  const unmodified = headerOf(exchange, 'if-unmodified-since');
  if (
    noneMatch === undefined &&
    match === undefined &&
    since === undefined &&
    unmodified === undefined
  )
    return undefined;
  const holds = (header: string) =>
    parseEtags(header).some((tag) => tag === '*' || tag.toLowerCase() === state.etag);
  const modifiedS = Math.ceil(state.modifiedUs / 1_000_000);
  if (match !== undefined && !holds(match)) return 412;
  if (noneMatch !== undefined) return holds(noneMatch) ? 304 : undefined;
  const sinceS = parseDate(since);
  if (sinceS !== undefined && modifiedS <= sinceS) return 304;
  const unmodifiedS = parseDate(unmodified);
  if (unmodifiedS !== undefined && modifiedS > unmodifiedS) return 412;
  return undefined;
}

/** Whether an `If-Range` header leaves the Range in force. */
export function rangeApplies(exchange: Exchange, state: ObjectState): boolean {
  const header = headerOf(exchange, 'if-range');
  if (header === undefined) return true;
  const date = parseDate(header);
  if (date !== undefined && /\d\d:\d\d:\d\d/.test(header))
    return Math.ceil(state.modifiedUs / 1_000_000) <= date;
  return parseEtags(header).includes(state.etag);
}
