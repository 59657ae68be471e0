// A Node.js application as many are, with a ledger of the requests that it has read.
//   node node.mjs ADDRESS PORT LEDGER [KEEP_ALIVE_MILLISECONDS]
// Node announces the keep-alive time (Keep-Alive: timeout=N) and closes about a second later.
import http from 'node:http';
import fs from 'node:fs';

const [address, port, ledger, keepAlive] = process.argv.slice(2);
const file = fs.openSync(ledger, 'a');

const server = http.createServer((request, response) => {
  request.on('data', () => {});
  request.on('end', () => {
    const id = request.headers['x-race-id'];
    if (id) fs.writeSync(file, JSON.stringify({ id, method: request.method }) + '\n');
    response.end('ok\n');
  });
});
if (keepAlive) server.keepAliveTimeout = Number(keepAlive);
server.listen(Number(port), address);
process.on('SIGTERM', () => process.exit(0));
