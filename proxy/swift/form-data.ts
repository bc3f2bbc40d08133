/** A `multipart/form-data` body, part by part, files as streams: parsed by busboy, read no faster than its files are taken. */
import { Readable } from 'node:stream';
import { Busboy } from '@fastify/busboy';
import { isFailure, messageOf } from '#common';
import type { Exchange } from '../exchange.ts';
import { refusal } from './refusal.ts';

export interface FormField {
  readonly is: 'field';
  readonly name: string;
  readonly value: string;
}

export interface FormFile {
  readonly is: 'file';
  readonly filename: string;
  readonly contentType: string | undefined;
  readonly body: AsyncIterable<Buffer>;
}

export type FormPart = FormField | FormFile;

const valueBytesMax = 4_096;
const fieldsMax = 100;

type Event = FormPart | { readonly is: 'end' } | { readonly is: 'error'; readonly error: unknown };

/** Parts in the order of the form. Each file's body is to be read, or left, before the next part is asked for. */
export async function* readForm(exchange: Exchange): AsyncIterable<FormPart> {
  const events: Event[] = [];
  let wake: (() => void) | undefined;
  const say = (event: Event) => {
    events.push(event);
    wake?.();
    wake = undefined;
  };
  const parser = openParser(exchange, say);
  const source = Readable.from(exchange.body, { objectMode: false });
  source.on('error', (error) => say({ is: 'error', error }));
  source.pipe(parser);
  try {
    for (;;) {
      const event = events.shift();
      if (event === undefined) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      } else if (event.is === 'end') return;
      else if (event.is === 'error') throw formFailure(event.error);
      else yield event;
    }
  } finally {
    source.unpipe(parser);
    source.destroy();
  }
}

function formFailure(error: unknown): unknown {
  return isFailure(error) ? error : refusal('bad-request', `FormPost: ${messageOf(error)}`);
}

function openParser(exchange: Exchange, say: (event: Event) => void): NodeJS.WritableStream {
  const parser = new Busboy({
    headers: { ...exchange.headers, 'content-type': exchange.headers['content-type'] ?? '' },
    preservePath: true,
    limits: { fieldSize: valueBytesMax, fields: fieldsMax, headerPairs: 20 },
  });
  parser.on('field', (name, value) => say({ is: 'field', name, value }));
  parser.on('file', (_name, stream, filename, _encoding, contentType) => {
    if (filename === undefined || filename === '') {
      stream.resume();
      return;
    }
    // A form that ends inside the file is said by an event alone, which a reader that comes later would miss.
    stream.on('error', (error) => stream.destroy(error));
    say({ is: 'file', filename, contentType, body: stream });
  });
  parser.on('error', (error) => say({ is: 'error', error }));
  parser.on('finish', () => say({ is: 'end' }));
  return parser;
}
