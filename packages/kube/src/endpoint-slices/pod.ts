/** The parts of a Pod that decide which endpoint it is: Pods are read to derive EndpointSlices. */
import { z } from 'zod';
import type { SourceObject } from '../source.ts';

const containerSchema = z.object({
  /** `Always` makes an init container a sidecar, whose ports count. */
  restartPolicy: z.string().optional(),
  ports: z
    .array(
      z.object({
        name: z.string().optional(),
        containerPort: z.int().min(1).max(65_535),
        protocol: z.enum(['TCP', 'UDP', 'SCTP']).default('TCP'),
      }),
    )
    .default([]),
});

/** An API server keeps `podIP` and `podIPs` in step; a hand-written Pod may hold only the first. */
const podStatusSchema = z
  .object({
    phase: z.string().optional(),
    podIP: z.string().optional(),
    podIPs: z.array(z.object({ ip: z.string() })).optional(),
    conditions: z.array(z.object({ type: z.string(), status: z.string() })).default([]),
  })
  .prefault({})
  .transform(({ phase, podIP, podIPs, conditions }) => ({
    phase: phase ?? '',
    podIPs: podIPs?.map(({ ip }) => ip) ?? (podIP === undefined ? [] : [podIP]),
    isReady: conditions.some(({ type, status }) => type === 'Ready' && status === 'True'),
  }));

export const podObjectSchema = z.object({
  kind: z.literal('Pod'),
  metadata: z.object({
    name: z.string().min(1).max(253),
    namespace: z.string().min(1).max(63),
    labels: z.record(z.string(), z.string()).default({}),
    deletionTimestamp: z.string().optional(),
  }),
  spec: z
    .object({
      nodeName: z.string().default(''),
      hostname: z.string().default(''),
      subdomain: z.string().default(''),
      containers: z.array(containerSchema).default([]),
      initContainers: z.array(containerSchema).default([]),
    })
    .prefault({}),
  status: podStatusSchema,
});
export type PodObject = z.infer<typeof podObjectSchema>;

/** What the log keeps of it, where it keeps Pods. */
export function podOfLog({ metadata, status }: PodObject): Extract<SourceObject['object'], { kind: 'Pod' }> {
  const { name, namespace, deletionTimestamp } = metadata;
  const [podIP] = status.podIPs;
  return {
    kind: 'Pod',
    metadata: { name, namespace, ...(deletionTimestamp !== undefined && { deletionTimestamp }) },
    status: { ...(status.phase !== '' && { phase: status.phase }), ...(podIP !== undefined && { podIP }) },
  };
}
