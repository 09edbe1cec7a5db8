#!/usr/bin/env node
// Stands in for rac of 1C:Enterprise: answers as recorded ones did, out of a file that the test writes.
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

const plan = JSON.parse(readFileSync(process.env.RAC_PLAN, 'utf8'));
const args = process.argv.slice(2);
appendFileSync(`${process.env.RAC_PLAN}.calls`, `${args.join(' ')}\n`);
const command = args
  .filter((a) => !a.startsWith('--'))
  .slice(0, -1)
  .join(' ');
const answer = plan[command] ?? { err: `unknown mode: ${command}`, status: 255 };
if (answer.hangs) await delay(600_000);
if (answer.out) process.stdout.write(Buffer.from(answer.out, answer.encoding ?? 'utf8'));
if (answer.err) process.stderr.write(answer.err);
process.exitCode = answer.status ?? 0;
