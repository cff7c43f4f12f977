/** What runs behind the demo's Service: says which one it is. */
import { createServer } from 'node:http';

const name = process.env.BACKEND_NAME ?? 'backend';
const server = createServer((_request, response) => response.end(`hello from ${name}\n`));
server.listen(8080, '0.0.0.0');
process.on('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
});
