// SPDX-License-Identifier: LGPL-2.1-or-later
// Answers each connection with "served ADDRESS": server.js PORT
require("net").createServer(c => c.end(`served ${c.remoteAddress}\n`)).listen(Number(process.argv[2]));
