/** A container's health check: exit code 0 when /healthz of SIGNALBOX_HEALTH_LISTEN (a port or an address) answers 200. */
const listen = process.env.SIGNALBOX_HEALTH_LISTEN ?? '127.0.0.1:9090';
const port = listen.slice(listen.lastIndexOf(':') + 1);
const path = process.argv[2] ?? '/healthz';

try {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2000) });
  process.exitCode = response.ok ? 0 : 1;
} catch {
  process.exitCode = 1;
}
