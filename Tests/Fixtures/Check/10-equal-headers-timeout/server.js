const http = require('http');
const express = require('express');
const server = express();
const httpServer = http.createServer(server);

httpServer.keepAliveTimeout = 120 * 1000;
httpServer.headersTimeout = 120 * 1000;
httpServer.listen(3000);
