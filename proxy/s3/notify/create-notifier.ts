/** Sends notifications from a bounded queue, each tried a few times; one that finds no taker is counted as lost, never waited for. */
import { type Clock, Counter, type Logger, type Metrics, messageOf } from '#common';
import { documentOf } from '../config/bucket-document.ts';
import { isAbout, notificationDocument } from '../config/notification.ts';
import type { S3Settings } from '../settings.ts';
import { eventDocument } from './event-document.ts';
import type { Notifier } from './notifier.ts';
import { parseTargets, type Target } from './targets.ts';

export interface NotifierOptions {
  readonly settings: Pick<S3Settings, 'notificationTargets' | 'notificationsMax' | 'region'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

interface Waiting {
  readonly target: Target;
  readonly document: string;
}

const inFlightMax = 8;
const attemptsMax = 4;
const retryMs = 500;

export function createNotifier(options: NotifierOptions): Notifier {
  const targets = parseTargets(options.settings.notificationTargets);
  const sender = new Sender(options);
  let sequence = 0n;
  return {
    knows: (name) => findTarget(targets, name) !== undefined,
    tell: (request, happened) => {
      const rules = documentOf(notificationDocument, happened.container);
      if (rules === undefined) return;
      const nowUs = options.clock.nowUs();
      for (const rule of rules) {
        const target = findTarget(targets, rule.target);
        if (target === undefined || !isAbout(rule, `s3:${happened.event}`, happened.key)) continue;
        sequence += 1n;
        const sequencer = ((BigInt(Math.floor(nowUs)) << 12n) + (sequence & 4095n))
          .toString(16)
          .toUpperCase();
        const facts = { happened, request, configurationId: rule.id, nowUs, sequencer };
        sender.add({
          target,
          document: eventDocument({ ...facts, region: options.settings.region }),
        });
      }
    },
    close: async () => {
      await sender.close();
      await Promise.all([...targets.values()].map((target) => target.close()));
    },
  };
}

/** `arn:aws:sns:REGION:ACCOUNT:NAME`, of which only the name matters here. */
function findTarget(targets: ReadonlyMap<string, Target>, arn: string): Target | undefined {
  return targets.get(arn) ?? targets.get(arn.slice(arn.lastIndexOf(':') + 1));
}

class Sender {
  private readonly options: NotifierOptions;
  private readonly lost: Counter;
  private waiting: Waiting[] = [];
  private readonly running = new Set<Promise<void>>();
  private readonly closing = new AbortController();

  constructor(options: NotifierOptions) {
    this.options = options;
    this.lost = new Counter({
      name: 'pileus_s3_notifications_lost_total',
      help: 'Notifications that found no place in the queue or nobody who took them.',
      registers: [options.metrics],
    });
  }

  add(entry: Waiting): void {
    if (
      this.closing.signal.aborted ||
      this.waiting.length >= this.options.settings.notificationsMax
    ) {
      this.lost.inc();
      return;
    }
    this.waiting.push(entry);
    if (this.running.size < inFlightMax) this.start();
  }

  /** What is being sent is waited for; what waits is lost. */
  async close(): Promise<void> {
    this.lost.inc(this.waiting.length);
    this.waiting = [];
    this.closing.abort();
    await Promise.all(this.running);
  }

  private start(): void {
    const run = this.run().finally(() => this.running.delete(run));
    this.running.add(run);
  }

  private async run(): Promise<void> {
    for (let entry = this.waiting.shift(); entry !== undefined; entry = this.waiting.shift())
      await this.send(entry);
  }

  private async send({ target, document }: Waiting): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await target.send(document);
        return;
      } catch (error) {
        if (attempt >= attemptsMax || this.closing.signal.aborted) {
          this.lost.inc();
          this.options.log.warn({ reason: messageOf(error) }, 'a notification is lost');
          return;
        }
        // Called off when the process ends: then this was the last attempt but one.
        await this.options.clock
          .sleep(retryMs * 2 ** attempt, this.closing.signal)
          .catch(() => undefined);
      }
    }
  }
}
