/** What the version of a server says of it. */
import type { ServerInfo } from '@nats-io/transport-node';
import { SignalboxError } from '@signalbox/contracts';

type Version = readonly [major: number, minor: number];

const OLDEST: Version = [2, 9];
/** Clusters of 2.9 were seen to keep different messages under one sequence after a partition: see docs/nats.md. */
const COPIES_AGREE_SINCE: Version = [2, 10];

/** Throws `invalid` for a server that lacks what is needed. */
export function checkVersion({ version }: Pick<ServerInfo, 'version'>): void {
  if (!isOlder(version, OLDEST)) return;
  throw new SignalboxError('invalid', `nats-server ${version} is older than ${OLDEST.join('.')}`);
}

/** For whoever runs it; undefined when there is nothing to say. */
export function cautionOf({ version, cluster }: Pick<ServerInfo, 'version' | 'cluster'>): string | undefined {
  if (cluster === undefined || !isOlder(version, COPIES_AGREE_SINCE)) return undefined;
  return `a cluster of nats-server ${version} may keep different copies of a stream after a partition: run ${COPIES_AGREE_SINCE.join('.')} or later`;
}

function isOlder(version: string, [major, minor]: Version): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}
