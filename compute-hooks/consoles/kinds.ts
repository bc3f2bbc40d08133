/** Which ways there are to look at a server: Nova's types, the protocols they belong to, and what of the guest they show. */
import { refused } from '../failures.ts';

interface Kind {
  readonly protocol: string;
  /** The guest's device; none where nothing here speaks the protocol. */
  readonly shows?: 'screen' | 'serial';
}

export const consoleKinds: Readonly<Record<string, Kind>> = {
  novnc: { protocol: 'vnc', shows: 'screen' },
  xvpvnc: { protocol: 'vnc' },
  serial: { protocol: 'serial', shows: 'serial' },
  'spice-html5': { protocol: 'spice' },
  'rdp-html5': { protocol: 'rdp' },
  webmks: { protocol: 'mks' },
};

/** The device of a console of this type, in Nova's words where there is none. */
export function shownBy(type: string, protocol?: string): 'screen' | 'serial' {
  const kind = Object.hasOwn(consoleKinds, type) ? consoleKinds[type] : undefined;
  const right = protocol === undefined || kind?.protocol === protocol;
  if (kind === undefined || !right) throw unavailable('Invalid', type);
  if (kind.shows === undefined) throw unavailable('Unavailable', type);
  return kind.shows;
}

const unavailable = (how: string, type: string) => refused(`${how} console type ${type}`);
