/** Who may program the load balancer of each class, as of now. */
import {
  type ChangeData,
  type ControllerLease,
  controllerLeaseSchema,
  parseControllerLeaseSubject,
} from '@signalbox/contracts';
import type { LogMessage } from '@signalbox/event-log';
import type { Store } from './store.ts';

/** Inside a transaction. Undefined for a renewal, which changes nothing for readers. */
export function writeLease(store: Store, message: LogMessage): ChangeData<'lease'> | undefined {
  const loadBalancerClass = parseControllerLeaseSubject(message.subject);
  if (message.data === null) {
    remove(store, loadBalancerClass);
    return undefined;
  }
  const { holder, epoch } = controllerLeaseSchema.parse(JSON.parse(message.data));
  const query = store.builder.selectFrom('controller_leases').select('data');
  const row = store.first(query.where('load_balancer_class', '=', loadBalancerClass));
  const before = row && (JSON.parse(row.data) as ControllerLease);
  const content = { sequence: message.sequence, data: message.data };
  store.run(
    store.builder
      .insertInto('controller_leases')
      .values({ load_balancer_class: loadBalancerClass, ...content })
      .onConflict((conflict) => conflict.column('load_balancer_class').doUpdateSet(content)),
  );
  if (before?.holder === holder && before.epoch === epoch) return undefined;
  return { loadBalancerClass, holder, epoch };
}

export function leaseSubjectKey(subject: string): string {
  return parseControllerLeaseSubject(subject);
}

export function removeOtherLeases(store: Store, kept: ReadonlySet<string>): void {
  const rows = store.all(store.builder.selectFrom('controller_leases').select('load_balancer_class'));
  for (const { load_balancer_class: name } of rows) if (!kept.has(name)) remove(store, name);
}

function remove(store: Store, loadBalancerClass: string): void {
  store.run(store.builder.deleteFrom('controller_leases').where('load_balancer_class', '=', loadBalancerClass));
}
