export { AddressBook, type AddressChange } from './address-pools/address-book.ts';
export { compileRegistrations } from './compile-registrations.ts';
