export { startWebhookDriver, type WebhookDriver, type WebhookDriverOptions } from './webhook-driver.ts';
export { webhookDriverProcess } from './webhook-driver-process.ts';
