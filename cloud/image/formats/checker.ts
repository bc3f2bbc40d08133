/** One format's check of a stream whose head said it may be that format. */
import type { Inspection } from './inspection.ts';

export interface Checker {
  /** Every byte, once, in order, from the first. */
  feed(chunk: Buffer): void;
  /** The stream has ended after `totalBytes`; `tail` is its last kibibyte or two (all of it when it is shorter). */
  finish(totalBytes: number, tail: Buffer): Inspection;
}
