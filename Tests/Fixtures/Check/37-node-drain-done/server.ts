import { createServer } from 'node:http';
const server = createServer(handler);
server.keepAliveTimeout = 75_000;
server.headersTimeout = 76_000;
server.listen(8080);

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
