import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';
import { createLogger } from './logger.ts';
import { childContext, formatTraceparent, parseTraceparent } from './trace-context.ts';
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

test('spans reach the collector as OTLP, children below their parents', async () => {
  const bodies: unknown[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      bodies.push([request.url, JSON.parse(Buffer.concat(chunks).toString('utf8'))]);
      response.end('{}');
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const tracer = openTracer('dns-worker', { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/` }, logger);
  const child = parseTraceparent(tracer.span(TRACE, info));
  expect(tracer.span(undefined, info)).toBe(undefined);
  await tracer.close();
  server.close();
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
  expect(bodies).toEqual([['/v1/traces', { resourceSpans: [{ resource, scopeSpans }] }]]);
});

test('a collector that is away costs spans, nothing else; a wrong address is refused', async () => {
  const tracer = openTracer('x', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:1/v1/traces' }, logger);
  expect(tracer.root(undefined, info)).toMatch(/^00-/);
  await tracer.close();
  expect(() => openTracer('x', { OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, logger)).toThrow(/no http/);
});
