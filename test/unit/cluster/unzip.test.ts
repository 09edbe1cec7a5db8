import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { unzipFile } from '../../../cluster/unzip.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'unzip-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** A zip archive (PKWARE APPNOTE 4.3) of the given files; those longer than 10 bytes deflated. */
function zip(files: Record<string, string>): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of Object.entries(files)) {
    const method = text.length > 10 ? 8 : 0;
    const data = method === 8 ? deflateRawSync(text) : Buffer.from(text);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50, 0);
    local.writeUInt16LE(name.length, 26);
    local.writeUInt16LE(4, 28);
    const central = Buffer.alloc(46);
    central.writeUInt32LE(0x02014b50, 0);
    central.writeUInt16LE(method, 10);
    central.writeUInt32LE(data.length, 20);
    central.writeUInt16LE(name.length, 28);
    central.writeUInt32LE(offset, 42);
    const whole = Buffer.concat([local, Buffer.from(name), Buffer.alloc(4), data]);
    locals.push(whole);
    centrals.push(central, Buffer.from(name));
    offset += whole.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

it('one file of an archive is written, stored or deflated', () => {
  const long = 'helm '.repeat(1000);
  const archive = join(dir, 'a.zip');
  writeFileSync(archive, zip({ first: 'short', 'bin/helm': long, last: 'end' }));
  for (const [name, text] of [
    ['first', 'short'],
    ['bin/helm', long],
    ['last', 'end'],
  ] as const) {
    unzipFile(archive, name, join(dir, 'out'));
    expect(readFileSync(join(dir, 'out'), 'utf8')).toBe(text);
  }
});

it('a file that is not there, or an archive that is none, is an error that says so', () => {
  const archive = join(dir, 'a.zip');
  writeFileSync(archive, zip({ first: 'short' }));
  expect(() => unzipFile(archive, 'second', join(dir, 'out'))).toThrow('has no second');
  writeFileSync(archive, 'not a zip archive');
  expect(() => unzipFile(archive, 'first', join(dir, 'out'))).toThrow('is not a zip archive');
});
