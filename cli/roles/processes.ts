import type { NodeConfig } from './node-config.ts';
export async function runStorage(_c: NodeConfig, _p: unknown) {}
export async function runFront(_c: NodeConfig, _p: unknown) {}
