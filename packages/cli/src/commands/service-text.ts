import type { ServiceDetail } from '@signalbox/contracts';
import { recordData } from '@signalbox/zones';
import { formatTable } from '../table.ts';

/** One service for a terminal: summary, endpoints, records, registrations, and what had to be left out. */
export function formatService(detail: ServiceDetail, width: number | undefined): string {
  const sections = [summary(detail), endpoints(detail, width), records(detail, width), registrations(detail, width)];
  if (detail.skipped.length > 0) sections.push(skipped(detail));
  return `${sections.join('\n\n')}\n`;
}

function summary({ summary: service, revision }: ServiceDetail): string {
  const { proxy, dns, lb } = service.layers;
  const layer = (value: number | null): string => (value === null ? 'none' : `revision ${value}`);
  return [
    `Service    ${service.namespace}/${service.name} in ${service.cluster} (${service.type})`,
    `Addresses  ${[...service.clusterIPs, ...service.externalAddresses].join(', ') || '-'}`,
    `Revision   ${service.revision} of ${revision}`,
    `Derived    rules ${layer(proxy)} · DNS ${layer(dns)} · load balancer ${layer(lb)}`,
  ].join('\n');
}

function endpoints({ endpoints: rows }: ServiceDetail, width: number | undefined): string {
  if (rows.length === 0) return 'Endpoints: none';
  return formatTable(
    [
      { title: 'endpoint', value: (row) => row.addresses.join(',') },
      {
        title: 'ports',
        value: (row) => row.ports.map(({ port, protocol }) => `${port ?? 'any'}/${protocol}`).join(','),
      },
      { title: 'ready', value: (row) => (row.ready ? 'yes' : 'no') },
      {
        title: 'state',
        value: (row) => (row.terminating ? (row.serving ? 'terminating, serving' : 'terminating') : '-'),
      },
      { title: 'node', value: (row) => row.node ?? '-' },
      { title: 'zone', value: (row) => row.zone ?? '-' },
      { title: 'target', value: (row) => row.target ?? '-' },
    ],
    rows,
    width,
  );
}

function records({ records: derived }: ServiceDetail, width: number | undefined): string {
  const rows = derived?.document?.records ?? [];
  if (rows.length === 0) return 'Records: none';
  return formatTable(
    [
      { title: 'record', value: (row) => row.name },
      { title: 'ttl', value: (row) => row.ttlSeconds },
      { title: 'type', value: (row) => row.type },
      { title: 'data', value: recordData },
    ],
    rows,
    width,
  );
}

function registrations({ registrations: derived }: ServiceDetail, width: number | undefined): string {
  const rows = (derived?.document?.registrations ?? []).flatMap(({ port, protocol, targets }) =>
    targets.map((target) => ({ port, protocol, target })),
  );
  if (rows.length === 0) return 'Load-balancer targets: none';
  return formatTable(
    [
      { title: 'listen', value: (row) => `${row.port}/${row.protocol}` },
      { title: 'target', value: (row) => `${row.target.address}:${row.target.port}` },
      { title: 'state', value: (row) => row.target.state },
      { title: 'node', value: (row) => row.target.node ?? '-' },
      { title: 'zone', value: (row) => row.target.zone ?? '-' },
    ],
    rows,
    width,
  );
}

function skipped({ skipped: rows }: ServiceDetail): string {
  return ['Left out:', ...rows.map(({ layer, path, reason }) => `  ${layer}: ${path}: ${reason}`)].join('\n');
}
