/** Settings of the HTTP APIs. */
import { declareSettings, type SettingsOf } from '#common';

export const apiSettings = declareSettings({
  requestsPerSecondMax: {
    type: 'integer',
    default: 1_000,
    min: 0,
    max: 1_000_000,
    about:
      'Requests a second of one user in one project, or of one address without a token; more are answered 429. 0: no limit.',
  },
  requestsBurstMax: {
    type: 'integer',
    default: 5_000,
    min: 1,
    max: 10_000_000,
    about: 'Requests that a caller may make at once after a pause.',
  },
  corsOrigins: {
    type: 'text',
    default: '',
    pattern: /^$|^\*$|^https?:\/\/[^\s,]+(,https?:\/\/[^\s,]+)*$/,
    about:
      'Origins whose pages may call the APIs from a browser, separated by commas; `*` for all, empty for none.',
  },
  tls: {
    type: 'switch',
    default: false,
    about: "Whether the public APIs speak TLS with a certificate of the cluster's own authority.",
  },
});

export type ApiSettings = SettingsOf<typeof apiSettings>;
