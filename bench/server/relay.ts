import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';

const licences = 20_000;
const claimed = 500;
const patienceMs = 15_000;

/**
 * Puts licences into a relay's SQLite database, since its own command takes one signed file at a time, and claims some of them over
 * HTTP. Answers the file with the nodes that have one.
 * @throws Error when it does not answer, or when its database looks unlike any known one.
 */
export async function fillRelay(port: number, database: string, dir: string): Promise<string> {
  const until = Date.now() + patienceMs;
  const claim = (node: string) => fetch(`http://127.0.0.1:${port}/v1/nodes/${node}`, { method: 'PUT' });
  for (;;) {
    const answer = await claim('first').catch(() => undefined);
    if (answer !== undefined) break;
    if (Date.now() > until) throw new Error('it does not answer on its port');
    await delay(50);
  }
  const db = new DatabaseSync(database, { timeout: 5_000 });
  try {
    // versions differ in their columns: fill what has no default
    const columns = db.prepare("SELECT name, type FROM pragma_table_info('licenses')").all() as {
      name: string;
      type: string;
    }[];
    const filled = columns.filter(
      (c) => ['guid', 'file', 'key'].includes(c.name) || (c.name === 'id' && !/INT/i.test(c.type)),
    );
    const text = `INSERT INTO licenses (${filled.map((c) => c.name)}) VALUES (${filled.map(() => '?')})`;
    const insert = db.prepare(text);
    db.exec('BEGIN');
    for (let i = 0; i < licences; i++) {
      const id = randomUUID();
      insert.run(...filled.map((c) => (c.name === 'file' ? Buffer.from(`-----LICENSE-----${id}`) : id)));
    }
    db.exec('COMMIT');
  } finally {
    db.close();
  }
  const nodes = Array.from({ length: claimed }, (_, i) => `held-${i}`);
  for (const node of nodes) {
    const { status } = await claim(node);
    if (status !== 201) throw new Error(`a claim was answered ${status}, not 201`);
  }
  const file = join(dir, 'relay-nodes');
  writeFileSync(file, nodes.join('\n'));
  return file;
}
