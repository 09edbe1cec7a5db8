// Runs in a pod: keeps one connection and asks on it, while new connections tell which certificate is served. Ends when ten
// new connections in a row were shown the serial number in NEW_SERIAL; prints what the kept connection saw.
import { readFileSync } from 'node:fs';
import { Agent, get } from 'node:https';

const { SERVER, NEW_SERIAL } = process.env;
const ca = readFileSync('/ca/ca.crt');
const ask = (agent) =>
  new Promise((resolve, reject) => {
    get(`${SERVER}/healthz/live`, { agent }, (answer) => {
      const { socket } = answer;
      const seen = {
        status: answer.statusCode,
        port: socket.localPort,
        serial: socket.getPeerCertificate().serialNumber,
      };
      answer.resume();
      answer.on('end', () => resolve(seen));
    }).on('error', reject);
  });

const kept = new Agent({ keepAlive: true, maxSockets: 1, ca });
const ports = new Set();
const statuses = new Set();
const serials = new Set();
let asked = 0;
let inARow = 0;
for (const end = Date.now() + 150_000; inARow < 10 && Date.now() < end; ) {
  const old = await ask(kept);
  asked += 1;
  ports.add(old.port);
  statuses.add(old.status);
  serials.add(old.serial);
  const fresh = await ask(new Agent({ keepAlive: false, ca }));
  inARow = fresh.serial === NEW_SERIAL ? inARow + 1 : 0;
  await new Promise((resolve) => setTimeout(resolve, 100));
}
kept.destroy();
console.log(JSON.stringify({ asked, inARow, connections: ports.size, statuses: [...statuses], serials: [...serials] }));
