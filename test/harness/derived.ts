/** Reads what is in the DERIVED stream now. */
import {
  type DerivedMessage,
  type Layer,
  parseDerivedSubject,
  serviceKeyText,
  type Watermark,
} from '@signalbox/contracts';
import type { EventLog, LogMessage } from '@signalbox/event-log';

export interface DerivedState {
  /** By `layer cluster/namespace/name`. */
  readonly documents: Readonly<Record<string, DerivedMessage>>;
  readonly watermarks: Readonly<Partial<Record<Layer, Watermark>>>;
}

export async function derivedState(log: EventLog): Promise<DerivedState> {
  const documents: Record<string, DerivedMessage> = {};
  const watermarks: Partial<Record<Layer, Watermark>> = {};
  for (const { subject, data } of await snapshot(log, 'derived')) {
    if (data === null) continue;
    const parsed = parseDerivedSubject(subject);
    if (parsed.type === 'watermark') watermarks[parsed.layer] = JSON.parse(data) as Watermark;
    else documents[`${parsed.layer} ${serviceKeyText(parsed.key)}`] = JSON.parse(data) as DerivedMessage;
  }
  return { documents, watermarks };
}

/** The last message of every subject of a stream. */
export async function snapshot(
  log: EventLog,
  stream: 'objects' | 'derived' | 'targets' | 'status',
): Promise<LogMessage[]> {
  const messages: LogMessage[] = [];
  for await (const batch of log.follow(stream, { from: 'snapshot' })) {
    messages.push(...batch.messages);
    if (batch.isCaughtUp) break;
  }
  return messages;
}
