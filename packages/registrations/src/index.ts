export { compileRegistrations } from './compile-registrations.ts';
