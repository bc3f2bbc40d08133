/** Every port of a cloud derives from one number, so that several clouds can live on one machine. */

export const portBaseDefault = 8080;
export const portBaseMax = 65_000;

/** Offsets from the port base. Numbers that were given out once are not given to another service. */
const offsets = {
  swift: 0,
  s3: 1,
  identity: 2,
  image: 3,
  volume: 4,
  compute: 5,
  network: 6,
  hosts: 7,
  nbd: 8,
  admin: 9,
  storage: 10,
} as const;

export type Service = keyof typeof offsets;

export function portOf(base: number, service: Service): number {
  return base + offsets[service];
}
