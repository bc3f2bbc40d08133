/** The control call behind `pileus network status`, and the same as metrics. */
import type { Networks } from '#cloud/network';
import { Counter, Gauge, type Metrics } from '#common';
import type { NetworkStatus } from '../cloud-types.ts';
import type { ControlHandler } from '../control/protocol.ts';

export function networkCalls(networks: Networks): Readonly<Record<string, ControlHandler>> {
  return { 'network-status': async () => networkStatus(networks) };
}

function networkStatus(networks: Networks): NetworkStatus {
  const { drift, ...status } = networks.status();
  if (drift === undefined) return status;
  const { mended, restarts, inSync, lastError, lastMendedAtUs, setAside } = drift;
  const at = lastMendedAtUs === undefined ? null : new Date(lastMendedAtUs / 1_000).toISOString();
  return {
    ...status,
    drift: {
      ...{ mended, restarts },
      in_sync: inSync,
      last_error: lastError ?? null,
      last_mended_at: at,
      set_aside: setAside.map(({ subject, reason }) => ({
        type: subject.kind,
        id: subject.id,
        reason,
      })),
    },
  };
}

export function meterNetworks(networks: Networks, metrics: Metrics): void {
  new Gauge({
    name: 'pileus_network_in_sync',
    help: "1 when OVN's northbound database was as the model says at the last look, 0 when not or when OVN is off.",
    registers: [metrics],
    collect() {
      this.set(networks.status().drift?.inSync === true ? 1 : 0);
    },
  });
  new Gauge({
    name: 'pileus_network_rows_refused',
    help: 'Rows that OVN does not take and that are set aside; `pileus network status` names them.',
    registers: [metrics],
    collect() {
      this.set(networks.status().drift?.setAside.length ?? 0);
    },
  });
  const count = (name: string, help: string, read: () => number) =>
    new Counter({
      name,
      help,
      registers: [metrics],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  count(
    'pileus_network_rows_mended_total',
    'Rows of OVN that others had changed and that were mended.',
    () => networks.status().drift?.mended ?? 0,
  );
  count(
    'pileus_network_daemon_restarts_total',
    'Daemons of Open vSwitch and OVN that had ended and were started again.',
    () => networks.status().drift?.restarts ?? 0,
  );
}
