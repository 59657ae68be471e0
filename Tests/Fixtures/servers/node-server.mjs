// A Node.js server as applications have it, with a ledger of the requests that it has read.
//   node node-server.mjs ADDRESS PORT [KEEP_ALIVE_MILLISECONDS]
// Node announces the keep-alive time (Keep-Alive: timeout=N) and closes about a second later.
import http from 'node:http';

const [address, port, keepAlive] = process.argv.slice(2);
const ledger = [];

const server = http.createServer((request, response) => {
  request.on('data', () => {});
  request.on('end', () => {
    if (request.url === '/__ledger') {
      response.end(ledger.map((entry) => JSON.stringify(entry) + '\n').join(''));
      return;
    }
    const id = request.headers['x-race-id'];
    if (id) ledger.push({ id, method: request.method, target: request.url, answer: 'answered' });
    response.end('ok\n');
  });
});
if (keepAlive) server.keepAliveTimeout = Number(keepAlive);
server.listen(Number(port), address);
process.on('SIGTERM', () => process.exit(0));
