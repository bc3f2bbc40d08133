/** `/recon/…`: facts for operators in the form that `swift-recon` reads from each server. */
import { freemem, loadavg, totalmem, uptime } from 'node:os';
import type { Reply } from '../exchange.ts';
import { page } from './refusal.ts';
import type { SwiftServices } from './swift-request.ts';

type Fact = () => unknown;

export function createRecon({ clock }: SwiftServices): (name: string) => Promise<Reply> {
  const facts: Readonly<Record<string, Fact>> = {
    version: () => ({ version: '2.30.0' }),
    time: () => clock.nowUs() / 1_000_000,
    load: () => {
      const [one = 0, five = 0, fifteen = 0] = loadavg();
      return { '1m': one, '5m': five, '15m': fifteen };
    },
    mem: () => ({
      MemTotal: `${Math.round(totalmem() / 1024)} kB`,
      MemFree: `${Math.round(freemem() / 1024)} kB`,
      ProcessRss: `${Math.round(process.memoryUsage.rss() / 1024)} kB`,
    }),
    uptime: () => ({ machine: Math.round(uptime()), process: Math.round(process.uptime()) }),
  };
  return async (path) => {
    const name = path.slice('/recon/'.length).replace(/\/$/, '');
    const fact = Object.hasOwn(facts, name) ? facts[name] : undefined;
    if (fact === undefined) return { ...page(404), body: `Invalid path: ${encodeURI(path)}` };
    const headers = { 'Content-Type': 'application/json' };
    return { status: 200, headers, body: JSON.stringify(fact()) };
  };
}
