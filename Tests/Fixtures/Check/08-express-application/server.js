const express = require("express");
const app = express();
const port = 80;
app.keepAliveTimeout = 65000; // a few seconds more than the balancer's idle timeout
app.headersTimeout = 66000;
app.get("/", (req, res) => res.send("Hello"));
app.listen(port, () => console.log(`listening on ${port}`));
