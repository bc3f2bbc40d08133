/** What an operator may tune about the connections between nodes. */
import { declareSettings, type SettingsOf } from '#common';

export const wireSettings = declareSettings({
  transport: {
    type: 'choice',
    default: 'framed',
    choices: ['framed', 'grpc'],
    about:
      'What carries rows and blobs between nodes: frames on a socket, or gRPC, which costs more. The same for all nodes.',
  },
  connectionsMax: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 100_000,
    about: 'Connections of other nodes at a time; one more is closed at once.',
  },
  callTimeoutMs: {
    type: 'integer',
    default: 20_000,
    min: 10,
    max: 600_000,
    about:
      'How long a call to another node may take before its caller is told that the deadline passed.',
  },
  inFlightMax: {
    type: 'integer',
    default: 4096,
    min: 1,
    max: 1_000_000,
    about:
      'Calls in flight on one connection; a client answers one more `busy`, a server stops reading.',
  },
  pendingBytesMax: {
    type: 'integer',
    default: 33_554_432,
    min: 1_048_576,
    max: 4_294_967_296,
    about:
      'Bytes that may wait to be sent on one connection; beyond it a client answers `busy`, a server stops reading.',
  },
  batchBytesMax: {
    type: 'integer',
    default: 262_144,
    min: 4096,
    max: 4_194_304,
    about: 'A message is sent at once when it has grown to this size.',
  },
  blobWindowBytes: {
    type: 'integer',
    default: 1_048_576,
    min: 65_536,
    max: 67_108_864,
    about: 'How much of one blob may be on its way before the writer waits for the device.',
  },
  blobWritersMax: {
    type: 'integer',
    default: 1024,
    min: 1,
    max: 100_000,
    about: 'Blobs being written at a time over one connection.',
  },
  flowWindowBytes: {
    type: 'integer',
    default: 4_194_304,
    min: 65_535,
    max: 67_108_864,
    about: 'HTTP/2 window of a connection and its streams; a small one makes uploads crawl.',
  },
  receiveBufferBytes: {
    type: 'integer',
    default: 8_388_608,
    min: 0,
    max: 1_073_741_824,
    about: 'Memory of received blobs that each connection keeps to be used again.',
  },
  keepaliveMs: {
    type: 'integer',
    default: 5000,
    min: 100,
    max: 600_000,
    about:
      'A silent connection is probed this often; one that does not answer within the same time is given up.',
  },
  reconnectMs: {
    type: 'integer',
    default: 50,
    min: 1,
    max: 60_000,
    about: 'Rest before connecting anew the first time; doubles while the node stays away.',
  },
  reconnectMsMax: {
    type: 'integer',
    default: 5000,
    min: 1,
    max: 600_000,
    about: 'The longest rest before connecting anew.',
  },
  handshakeMs: {
    type: 'integer',
    default: 5000,
    min: 10,
    max: 60_000,
    about: 'How long the two ends may take to greet each other.',
  },
});

export type WireSettings = SettingsOf<typeof wireSettings>;
