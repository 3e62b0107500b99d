import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { FleetFault } from '../faults.js';

/** Where traces go. JSON. */
export type TracePlace = { readonly file: string } | { readonly url: string };

/** Where a collector takes traces by HTTP. Source: OTLP specification, "OTLP/HTTP Request". */
const TRACES_PATH = '/v1/traces';

/**
 * Where `--trace` says: `http://host:4318` is a collector, whose own path is added where none is named; anything else a file, which is emptied.
 * @throws FleetFault BAD_TRACE
 */
export function tracePlaceOf(text: string): TracePlace {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { url: collectorOf(text) };
  const file = resolve(text);
  try {
    writeFileSync(file, '');
  } catch (cause) {
    throw new FleetFault('BAD_TRACE', `traces cannot be written (${(cause as NodeJS.ErrnoException).code})`, {
      where: text,
      expected: 'a file, or http://HOST:4318',
      cause,
    });
  }
  return { file };
}

function collectorOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new FleetFault('BAD_TRACE', 'this is no address of a collector of traces', {
      where: '--trace',
      expected: 'http://HOST:4318 or https://HOST, without a password',
      remedy: 'a key of the collector goes into OTEL_EXPORTER_OTLP_HEADERS',
    });
  }
  if (url.pathname === '/') url.pathname = TRACES_PATH;
  return url.href;
}
