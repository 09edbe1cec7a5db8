import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { median } from '../median.ts';
import { installBundle, ourComputer } from './contestants.ts';

// `npm run bench:pages`: how long the lists of seats and people take that the page asks for, over 100,000 leases. In ms, twenty times
// each; beside them what PostgreSQL takes to count the leases at that moment.

const paths = [
  '/v1/leases?limit=100',
  '/v1/leases?limit=100&search=held-99999',
  '/v1/leases?limit=100&search=nobody-at-all',
  '/v1/leases?limit=100&sort=-renewedAt',
  '/v1/leases?limit=100&sort=user',
  '/v1/people?limit=100',
  '/v1/people?limit=100&search=held-77',
];

const dir = mkdtempSync(join(tmpdir(), 'bench-pages-'));
const computer = await ourComputer('ours', dir, installBundle(dir, true), []);
try {
  const ours = await computer.start();
  try {
    await ours.fixture.fill(100_000, false, true);
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const before = performance.now();
      await work();
      return performance.now() - before;
    };
    const many = async (work: () => Promise<unknown>) => {
      const times: number[] = [];
      for (let i = 0; i < 20; i++) times.push(await timed(work));
      return times;
    };
    console.log('| path | median ms | most ms |\n|---|---:|---:|');
    for (const path of paths) {
      const times = await many(async () => {
        const headers = { authorization: `Bearer ${ours.adminToken}` };
        const answer = await fetch(`http://127.0.0.1:${ours.port}${path}`, { headers });
        if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
        await answer.arrayBuffer();
      });
      console.log(`| ${path} | ${median(times).toFixed(1)} | ${Math.max(...times).toFixed(1)} |`);
    }
    const counts = await many(() => ours.fixture.query('SELECT count(*) FROM lease'));
    console.log(`| (count of the leases, a connection included) | ${median(counts).toFixed(1)} | |`);
  } finally {
    await ours.stop();
  }
} finally {
  computer.remove();
  rmSync(dir, { recursive: true, force: true });
}
