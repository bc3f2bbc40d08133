/** Structured logging: one pino logger, handed down as a component; children carry the room's name. */
import { type Logger as PinoLogger, pino } from 'pino';

export type Logger = PinoLogger;

export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

// Anything under these names is cut out wherever it turns up in a record, one level deep and in headers.
const secretPaths = ['password', 'secret', 'secretKey', 'token', 'key', 'authorization'].flatMap(
  (name) => [name, `*.${name}`, `headers["x-auth-${name}"]`],
);

export interface LogOptions {
  readonly level: LogLevel;
  /** A file path, or undefined for standard output. */
  readonly file?: string;
}

export function createLogger(options: LogOptions): Logger {
  const redact = { paths: secretPaths, censor: '[cut]' };
  const settings = {
    level: options.level,
    redact,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
  };
  if (options.file === undefined) return pino(settings);
  return pino(
    settings,
    pino.destination({ dest: options.file, sync: false, mkdir: true, append: true }),
  );
}

/** A logger that says nothing, for tests. */
export const silentLogger: Logger = pino({ level: 'silent' });
