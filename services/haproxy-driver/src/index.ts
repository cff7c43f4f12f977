export { type HaproxyDriver, type HaproxyDriverOptions, startHaproxyDriver } from './haproxy-driver.ts';
export { haproxyDriverProcess } from './haproxy-driver-process.ts';
