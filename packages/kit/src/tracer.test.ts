import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createLogger } from './logger.ts';
import { childContext, formatTraceparent, parseTraceparent } from './trace-context.ts';
import { traceExportOf } from './trace-export.ts';
import { openTracer, PASSIVE_TRACER } from './tracer.ts';

const logger = createLogger({ component: 'test', level: 'silent' });
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
const info = { name: 'derive', startMs: 1_700_000_000_000, endMs: 1_700_000_000_002.5, attributes: { revision: 7 } };

describe('traceparent', () => {
  test.for([
    { name: 'nothing', text: undefined },
    { name: 'an empty trace id', text: `00-${'0'.repeat(32)}-00f067aa0ba902b7-01` },
    { name: 'an empty span id', text: `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01` },
    { name: 'version ff', text: TRACE.replace('00-', 'ff-') },
    { name: 'capital letters', text: TRACE.toUpperCase() },
    { name: 'more than version 00 has', text: `${TRACE}-x` },
  ])('$name is no context', ({ text }) => {
    expect(parseTraceparent(text)).toBe(undefined);
  });

  test('what a later version appends is left alone', () => {
    expect(parseTraceparent(`${TRACE.replace('00-', '01-')}-x`)?.spanId).toBe('00f067aa0ba902b7');
  });

  test('a child keeps the trace and its sampling, with a span of its own', () => {
    const parent = parseTraceparent(TRACE.replace(/01$/, '00'));
    const child = childContext(parent, (bytes) => 'ab'.repeat(bytes));
    expect(formatTraceparent(child)).toBe('00-4bf92f3577b34da6a3ce929d0e0e4736-abababababababab-00');
  });
});

test('without a collector nothing is begun, and what others began is carried on', () => {
  const tracer = openTracer('dns-worker', {}, logger);
  expect(tracer).toBe(PASSIVE_TRACER);
  expect([tracer.root(undefined, info), tracer.span(TRACE, info)]).toEqual([undefined, TRACE]);
});

interface Collected {
  readonly url: string | undefined;
  readonly key: string | undefined;
  readonly body: {
    readonly resourceSpans: readonly { readonly scopeSpans: readonly { spans: readonly unknown[] }[] }[];
  };
}

let closeCollector: (() => void) | undefined;
afterEach(() => closeCollector?.());

/** `answer` decides when a request is answered. */
async function collector(answer: (respond: () => void) => void = (respond) => respond()) {
  const collected: Collected[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const key = String(request.headers['api-key']);
      collected.push({ url: request.url, key, body: JSON.parse(Buffer.concat(chunks).toString('utf8')) });
      answer(() => void response.end('{}'));
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closeCollector = () => {
    server.close();
    server.closeAllConnections();
  };
  return { collected, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const spansIn = ({ body }: Collected): number => body.resourceSpans[0]?.scopeSpans[0]?.spans.length ?? 0;

test('spans reach the collector as OTLP, children below their parents', async () => {
  const { collected, url } = await collector();
  const environment = { OTEL_EXPORTER_OTLP_ENDPOINT: `${url}/`, OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%20secret' };
  const tracer = openTracer('dns-worker', environment, logger);
  const child = parseTraceparent(tracer.span(TRACE, info));
  expect(tracer.span(undefined, info)).toBe(undefined);
  await tracer.close();
  const span = {
    traceId: '4bf92f3577b34da6a3ce929d0e0e4736',
    spanId: child?.spanId,
    parentSpanId: '00f067aa0ba902b7',
    name: 'derive',
    kind: 1,
    startTimeUnixNano: '1700000000000000000',
    endTimeUnixNano: '1700000000002500000',
    attributes: [{ key: 'revision', value: { intValue: '7' } }],
  };
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'signalbox-dns-worker' } }] };
  const scopeSpans = [{ scope: { name: 'signalbox' }, spans: [span] }];
  expect(collected).toEqual([
    { url: '/v1/traces', key: 'a secret', body: { resourceSpans: [{ resource, scopeSpans }] } },
  ]);
});

test('a collector that does not answer costs no more than the spans that fit, and is asked once at a time', async () => {
  const waiting: (() => void)[] = [];
  const { collected, url } = await collector((respond) => waiting.push(respond));
  const tracer = openTracer('x', { OTEL_EXPORTER_OTLP_ENDPOINT: url }, logger);
  tracer.root(undefined, info);
  await expect.poll(() => waiting.length).toBe(1);
  for (let i = 0; i < 10_000; i += 1) tracer.root(undefined, info);
  const closed = tracer.close();
  while (waiting.length > 0) {
    const asked = collected.length;
    expect(waiting.splice(0).map((respond) => respond())).toHaveLength(1);
    await Promise.race([closed, expect.poll(() => collected.length).toBeGreaterThan(asked)]);
  }
  await closed;
  expect(collected.map(spansIn)).toEqual([1, 512, 512, 512, 512]);
});

test('a collector that is away costs spans, nothing else', async () => {
  const tracer = openTracer('x', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1/v1/traces' }, logger);
  expect(tracer.root(undefined, info)).toMatch(/^00-/);
  await tracer.close();
});

describe('variables', () => {
  const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
  const read = (environment: NodeJS.ProcessEnv) => traceExportOf('api', environment, logger);

  test.for([
    { name: 'the base of all signals', environment: ENDPOINT, url: 'http://collector:4318/v1/traces' },
    {
      name: 'an empty one beside it is not set',
      environment: { ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: '', OTEL_SERVICE_NAME: '' },
      url: 'http://collector:4318/v1/traces',
    },
    {
      name: 'that of traces alone counts, as it is',
      environment: { ...ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'https://traces/in' },
      url: 'https://traces/in',
    },
    { name: 'switched off', environment: { ...ENDPOINT, OTEL_SDK_DISABLED: 'TRUE' }, url: undefined },
    { name: 'no exporter', environment: { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none' }, url: undefined },
  ])('$name', ({ environment, url }) => {
    expect(read(environment)).toEqual(url && { url, headers: {}, service: 'signalbox-api' });
  });

  test.for([
    { variable: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'collector:4318' },
    { variable: 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', value: 'http://' },
    { variable: 'OTEL_EXPORTER_OTLP_HEADERS', value: 'api-key=100%' },
    { variable: 'OTEL_EXPORTER_OTLP_HEADERS', value: 'api-key' },
  ])('$variable=$value is refused by its name', ({ variable, value }) => {
    expect(() => read({ ...ENDPOINT, [variable]: value })).toThrow(`${variable} is no`);
  });

  test('a protocol that is not spoken is named', () => {
    const lines: string[] = [];
    const telling = createLogger({
      component: 'test',
      destination: { write: (line: string) => void lines.push(line) },
    });
    traceExportOf('api', { ...ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, telling);
    expect(lines.map((line) => JSON.parse(line).protocol)).toEqual(['grpc']);
  });
});
