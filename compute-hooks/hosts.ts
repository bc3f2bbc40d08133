/** The hosts as rows: what each has to give, and when it was last heard of. And what guests do by themselves, brought to their servers. */
import { messageOf, type Timer } from '#common';
import type { ComputeCore, ComputeHost } from './core.ts';
import type { GuestState } from './drivers/driver.ts';
import { guestSpec } from './guest-spec.ts';

const beatMs = 10_000;
/** Every so many beats, what is here is compared with what should be. */
const beatsALook = 6;

export class HostKeeper {
  private readonly core: ComputeCore;
  private readonly unwatch = new Map<string, () => void>();
  private timer: Timer | undefined;
  private closed = false;
  private beats = 0;
  private working: Promise<void> = Promise.resolve();

  constructor(core: ComputeCore) {
    this.core = core;
  }

  async open(): Promise<void> {
    for (const host of this.core.hosts.values()) await this.take(host);
    this.beatLater();
  }

  private async take(host: ComputeHost): Promise<void> {
    await register(this.core, host);
    const stop = host.hypervisor.watch((state) => {
      this.working = this.working.then(() => this.hear(host, state));
    });
    this.unwatch.set(host.name, stop);
  }

  /** A host that came within reach, or came back: its guests are found again. Who leaves has another's place no longer. */
  async join(host: ComputeHost): Promise<() => void> {
    const { hosts } = this.core;
    await this.take(host);
    hosts.set(host.name, host);
    await this.look(host);
    return () => {
      if (hosts.get(host.name) !== host) return;
      hosts.delete(host.name);
      this.unwatch.get(host.name)?.();
      this.unwatch.delete(host.name);
    };
  }

  /** What is here and what should be: guests of servers that are gone are removed, ended ones are taken notice of. */
  async reconcile(): Promise<void> {
    for (const host of this.core.hosts.values()) await this.look(host);
  }

  private async look(host: ComputeHost): Promise<void> {
    try {
      await register(this.core, host);
      await reconcileHost(this.core, host);
    } catch (error) {
      this.core.log.warn({ err: error, host: host.name }, `guests: ${messageOf(error)}`);
    }
  }

  private beatLater(): void {
    if (this.closed) return;
    this.timer = this.core.clock.after(beatMs, () => {
      this.beats++;
      this.working = this.working
        .then(() => this.beat())
        .then(() => (this.beats % beatsALook === 0 ? this.reconcile() : undefined))
        .then(() => this.beatLater());
    });
  }

  private async beat(): Promise<void> {
    const names = [...this.core.hosts.keys()];
    if (names.length === 0 || this.closed) return;
    try {
      await this.core.db
        .updateTable('compute_host')
        .set({ seen_at_us: this.core.clock.nowUs() })
        .where('name', 'in', names)
        .execute();
    } catch (error) {
      this.core.log.warn({ err: error }, `sign of life: ${messageOf(error)}`);
    }
  }

  private async hear(host: ComputeHost, { id, power }: GuestState): Promise<void> {
    if (power !== 'off' || this.closed) return;
    try {
      await ended(this.core, host, id);
    } catch (error) {
      this.core.log.warn({ err: error, server: id }, `ended guest: ${messageOf(error)}`);
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    this.timer?.cancel();
    for (const stop of this.unwatch.values()) stop();
    await this.working;
  }
}

/** A guest that ended by itself is a server that is shut off; an operation that ended it says so itself. */
async function ended(core: ComputeCore, host: ComputeHost, id: string): Promise<void> {
  await core.db
    .updateTable('compute_server')
    .set({ power: 'stopped', updated_at_us: core.clock.nowUs() })
    .where('id', '=', id)
    .where('host', '=', host.name)
    .where('made', '=', 1)
    .where('power', 'in', ['running', 'paused'])
    .where('operation_id', 'is', null)
    .execute();
}

/** Rows before guests: whoever comes or goes meanwhile is looked at once more before anything is done about it. */
async function reconcileHost(core: ComputeCore, host: ComputeHost): Promise<void> {
  const servers = await serversAt(core, host.name);
  const guests = new Map((await host.hypervisor.list()).map(({ id, power }) => [id, power]));
  for (const server of servers) {
    if (server.operation_id !== null || server.made === 0 || server.host !== host.name) continue;
    const isOn = server.power === 'running' || server.power === 'paused';
    if ((guests.get(server.id) ?? 'off') === 'off') {
      if (isOn && (await host.hypervisor.power(server.id)) === 'off')
        await ended(core, host, server.id);
    }
    // Disks of guests that lived on are let in again, should this host's gateway have forgotten.
    else await guestSpec(core, server);
  }
  const known = new Set((await serversAt(core, host.name)).map(({ id }) => id));
  for (const id of guests.keys()) {
    if (known.has(id)) continue;
    core.log.info({ server: id, host: host.name }, 'a guest without a server is removed');
    await host.hypervisor.remove(id);
  }
  const { network } = host;
  if (network === undefined || network.status().state !== 'ready') return;
  const plugged = await network.plugged();
  const still = new Set((await serversAt(core, host.name)).map(({ id }) => id));
  for (const { portId, deviceId } of plugged)
    if (!still.has(deviceId)) await network.unplug(portId);
}

/** What an operation is at work on is the operation's: one that moves is at two hosts. */
function serversAt(core: ComputeCore, hostName: string) {
  return core.db
    .selectFrom('compute_server')
    .selectAll()
    .where((where) =>
      where.or([where('host', '=', hostName), where('operation_id', 'is not', null)]),
    )
    .where('deleted_at_us', 'is', null)
    .execute();
}

/** What a host has to give as it is now: memory, processors or a hypervisor may have been added. It counts as a change when it is one. */
async function register(core: ComputeCore, host: ComputeHost): Promise<void> {
  const facts = await host.hypervisor.facts();
  const space = await host.space();
  const now = core.clock.nowUs();
  const row = {
    type: facts.type,
    version: facts.version,
    vcpus: facts.vcpus,
    memory_mib: facts.memoryMib,
    disk_gib: Math.floor(space.totalBytes / 2 ** 30),
    facts_json: JSON.stringify({ cpu: facts.cpu, problem: facts.problem ?? null }),
    seen_at_us: now,
  };
  const before = await core.db
    .selectFrom('compute_host')
    .selectAll()
    .where('name', '=', host.name)
    .executeTakeFirst();
  const same = (Object.keys(row) as (keyof typeof row)[]).every(
    (column) => column === 'seen_at_us' || before?.[column] === row[column],
  );
  await core.db
    .insertInto('compute_host')
    .values({
      ...row,
      id: core.newId(),
      name: host.name,
      disabled: 0,
      disabled_reason: null,
      forced_down: 0,
      created_at_us: now,
      generation: 0,
    })
    .onConflict((conflict) =>
      conflict.column('name').doUpdateSet((column) => ({
        ...row,
        generation: column('compute_host.generation', '+', same ? 0 : 1),
      })),
    )
    .execute();
  if (facts.problem !== undefined && !same) core.log.warn({ host: host.name }, facts.problem);
}
