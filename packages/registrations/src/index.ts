export { AddressBook, type AddressChange } from './address-pools/address-book.ts';
export { compileRegistrations } from './compile-registrations.ts';
export { ClassBudget } from './damping/class-budget.ts';
export { type DampingPolicy, DEFAULT_DAMPING, dampingPolicyOf, NO_DAMPING } from './damping/damping-policy.ts';
export { type DampingFacts, type DampingStep, stepTargetGroups, type WantedGroups } from './damping/step.ts';
export { DECISIONS, type Decision } from './damping/tally.ts';
