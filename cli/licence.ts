#!/usr/bin/env node
import { readFileSync } from 'node:fs';
import { hostname, userInfo } from 'node:os';
import { Command, InvalidArgumentError, Option } from 'commander';
import { LicenceClient } from '../client/licenceClient.ts';
import { runCommand } from './runCommand.ts';

const seconds = (text: string): number => {
  const n = Number(text);
  if (Number.isInteger(n) && n >= 0) return n;
  throw new InvalidArgumentError('must be a whole number of seconds');
};

const program = new Command('licence').description('Works with a licence server from the command line');

program
  .command('run')
  .description('Holds a seat while COMMAND runs and gives it back when it ends')
  .usage('--product PRODUCT [options] -- COMMAND [ARGS…]')
  .requiredOption('--product <product>', 'the product to take a seat of')
  .addOption(
    new Option('--server <url>', 'address of the licence server').env('LICENCE_SERVER_URL').makeOptionMandatory(),
  )
  .addOption(new Option('--token-file <path>', 'file with a client token').env('LICENCE_TOKEN_FILE'))
  .option('--base <base>', 'the infobase that the seat is counted for', 'command-line')
  .option('--user <user>', 'who holds the seat', userInfo().username)
  .option('--host <host>', 'the computer that holds the seat', hostname())
  .option('--released-on <date>', 'release date of the program, for the support check')
  .option('--wait <seconds>', 'keep asking this long when no seat is free', seconds, 0)
  .addOption(
    new Option('--when-lost <what>', 'what to do when the seat is lost').choices(['stop', 'warn']).default('stop'),
  )
  .argument('<command...>')
  .addHelpText(
    'after',
    `
The token is read from --token-file, else from LICENCE_TOKEN.
Exit status: the command's own; 69 no seat, 70 server unreachable, 71 seat lost, 127 command not found.`,
  )
  .action(async (command: [string, ...string[]], options) => {
    const token = options.tokenFile
      ? readFileSync(options.tokenFile, 'utf8').split('\n')[0]?.trim()
      : process.env.LICENCE_TOKEN;
    const client = new LicenceClient({ url: options.server, ...(token ? { token } : {}) });
    const holder = { base: options.base, user: options.user, host: options.host, session: String(process.pid) };
    process.exitCode = await runCommand(
      client,
      {
        seat: {
          product: options.product,
          holder,
          ...(options.releasedOn ? { programReleasedOn: options.releasedOn } : {}),
        },
        command,
        waitSeconds: options.wait,
        whenLost: options.whenLost,
      },
      (line) => process.stderr.write(`licence: ${line}\n`),
    );
  });

await program.parseAsync();
