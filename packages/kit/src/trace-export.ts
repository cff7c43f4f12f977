/**
 * Where spans go, by OpenTelemetry's own variables
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). An empty variable is one that is
 * not set; of two, the one for traces alone counts.
 */
import { SignalboxError } from '@signalbox/contracts';
import type { Logger } from './logger.ts';

export interface TraceExport {
  readonly url: string;
  /** Beside the content type; for collectors that want a key. */
  readonly headers: Readonly<Record<string, string>>;
  /** `service.name` of the spans. */
  readonly service: string;
}

/** Collectors take JSON wherever they take protobuf over HTTP. */
const PROTOCOLS = ['http/json', 'http/protobuf'];

/** Undefined: nothing is exported. Throws `invalid`, with the name of the variable, for what cannot be used. */
export function traceExportOf(
  service: string,
  environment: NodeJS.ProcessEnv,
  logger: Logger,
): TraceExport | undefined {
  const read = (name: string): string | undefined => environment[name] || undefined;
  const endpoint = endpointOf(read);
  const isOff = read('OTEL_SDK_DISABLED')?.toLowerCase() === 'true' || read('OTEL_TRACES_EXPORTER') === 'none';
  if (endpoint === undefined || isOff) return undefined;
  const protocol = read('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL') ?? read('OTEL_EXPORTER_OTLP_PROTOCOL');
  if (protocol !== undefined && !PROTOCOLS.includes(protocol)) {
    logger.warn({ protocol, spoken: 'http/json' }, 'spans are exported by another protocol than OTEL_… asks for');
  }
  return {
    url: endpoint,
    headers: headersOf(read('OTEL_EXPORTER_OTLP_TRACES_HEADERS') ?? read('OTEL_EXPORTER_OTLP_HEADERS') ?? ''),
    service: read('OTEL_SERVICE_NAME') ?? `signalbox-${service}`,
  };
}

/** The one for traces is used as it is; the one for all signals is a base. */
function endpointOf(read: (name: string) => string | undefined): string | undefined {
  const [own, base] = ['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT'];
  const name = read(own) === undefined ? base : own;
  const value = read(name);
  if (value === undefined) return undefined;
  if (!/^https?:\/\//.test(value) || !URL.canParse(value)) {
    throw new SignalboxError('invalid', `${name} is no http:// or https:// address: ${value}`);
  }
  return name === own ? value : `${value.replace(/\/$/, '')}/v1/traces`;
}

/** `api-key=secret,tenant=a%20b`; values are percent-encoded, and never part of a message, because they are secrets. */
function headersOf(text: string): Record<string, string> {
  const headers = new Headers();
  try {
    for (const pair of text.split(',')) {
      if (pair.trim() === '') continue;
      const [, name = '', value = ''] = /^([^=]+)=(.*)$/.exec(pair) ?? [];
      headers.set(name.trim(), decodeURIComponent(value.trim()));
    }
  } catch {
    throw new SignalboxError('invalid', 'OTEL_EXPORTER_OTLP_HEADERS is not of the form NAME=VALUE,NAME=VALUE');
  }
  return Object.fromEntries(headers);
}
