/** Names of devices: at most 15 characters, and of this cloud alone, so that several clouds live on one machine. */

export interface DeviceNames {
  /** OVN's integration bridge. */
  readonly integration: string;
  /** The bridge of the external network, whose own device is the machine's leg in it. */
  readonly external: string;
  /** The bridge that holds the device that leads to other hosts. */
  readonly uplink: string;
}

/** `tag`: a few characters of the cloud's and the host's own. */
export function deviceNames(tag: string): DeviceNames {
  const short = tag.slice(0, 9);
  return { integration: `pi-${short}`, external: `px-${short}`, uplink: `pu-${short}` };
}

export const tapOf = (portId: string) => `tap${portId.slice(0, 11)}`;

export const metadataNamespace = (tag: string, networkId: string) =>
  `pm-${tag}-${networkId.slice(0, 8)}`;
/** The two ends of the wire to a network's metadata namespace. */
export const metadataWire = (portId: string) => ({
  outer: `pmo${portId.slice(0, 11)}`,
  inner: `pmi${portId.slice(0, 11)}`,
});
