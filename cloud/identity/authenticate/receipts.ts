/**
 * Receipts: what a log-in is given when its factors are not enough yet. Sealed with the key of the stored secrets, so that
 * any process of the cloud can open one and nobody else can make or change one.
 */
import { isFailure } from '#common';
import type { IdentityCore } from '../core.ts';

export interface Receipt {
  readonly userId: string;
  readonly methods: readonly string[];
  readonly issuedAtUs: number;
  readonly expiresAtUs: number;
}

const purpose = 'auth receipt';
// Three sealed methods and an id: a longer text is none of ours.
const charactersMax = 1024;

export function sealReceipt(
  core: IdentityCore,
  userId: string,
  methods: readonly string[],
): { readonly text: string; readonly receipt: Receipt } {
  const issuedAtUs = core.clock.nowUs();
  const expiresAtUs = issuedAtUs + core.settings.receiptLifetimeS * 1e6;
  const receipt = { userId, methods, issuedAtUs, expiresAtUs };
  return { text: core.sealer.seal(purpose, JSON.stringify(receipt)), receipt };
}

/** Nothing when it is forged or over. */
export function openReceipt(core: IdentityCore, text: string): Receipt | undefined {
  if (text.length > charactersMax) return undefined;
  let opened: string;
  try {
    opened = core.sealer.open(purpose, text);
  } catch (error) {
    // To the sealer a text that does not open is damage; from outside it is a forgery.
    if (isFailure(error, 'corrupt')) return undefined;
    throw error;
  }
  // It opened, so it is as we wrote it.
  const receipt = JSON.parse(opened) as Receipt;
  return receipt.expiresAtUs > core.clock.nowUs() ? receipt : undefined;
}
