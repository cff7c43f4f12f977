/** The first line of a backup, and the intents in it; see `packages/cli/src/backup`. */
import { z } from 'zod';

/** Of the layout: readers refuse versions that they do not know. */
export const BACKUP_VERSION = 1;

export const backupHeaderSchema = z.object({
  format: z.literal('signalbox-backup'),
  version: z.literal(BACKUP_VERSION),
  /** `data`: the data folder of `signalbox up`; `intents`: what an API listed. */
  contents: z.enum(['data', 'intents']),
  /** Which Signalbox wrote it, and when. */
  signalbox: z.string(),
  createdAt: z.iso.datetime(),
  files: z.array(
    z.object({ name: z.string().regex(/^[a-z]+\.(db|json)$/), bytes: z.int().min(0), sha256: z.string().length(64) }),
  ),
});
export type BackupHeader = z.infer<typeof backupHeaderSchema>;

export const backupIntentsSchema = z.array(
  z.object({
    /** As in `/v1/intents/{kind}`. */
    path: z.string(),
    name: z.string().min(1).max(600),
    spec: z.record(z.string(), z.unknown()),
    /** Kept by somebody else, who writes it again by himself. */
    owner: z.string().optional(),
  }),
);
export type BackupIntents = z.infer<typeof backupIntentsSchema>;
