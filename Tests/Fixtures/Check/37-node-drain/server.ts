import { createServer } from 'node:http';
const server = createServer(handler);
server.keepAliveTimeout = 65_000;
server.headersTimeout = 66_000;
server.listen(8080);

process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
});
