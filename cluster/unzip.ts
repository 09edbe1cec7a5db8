import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { inflateRawSync } from 'node:zlib';

/**
 * Writes one file of a zip archive to `to`. Enough of the format for archives below 4 GB: stored or deflated entries, no
 * encryption.
 * @throws when the archive has no such file.
 */
export function unzipFile(archive: string, name: string, to: string): void {
  const fd = openSync(archive, 'r');
  const read = (at: number, length: number): Buffer => {
    const buffer = Buffer.alloc(length);
    readSync(fd, buffer, 0, length, at);
    return buffer;
  };
  try {
    const size = statSync(archive).size;
    const tail = read(Math.max(0, size - 65_557), Math.min(size, 65_557));
    const end = tail.lastIndexOf(Buffer.from('PK\x05\x06'));
    if (end < 0) throw new Error(`${archive} is not a zip archive`);
    const directory = read(tail.readUInt32LE(end + 16), tail.readUInt32LE(end + 12));
    for (let at = 0; at < directory.length; ) {
      const [nameLength, extraLength, commentLength] = [28, 30, 32].map((o) => directory.readUInt16LE(at + o));
      const entry = directory.toString('utf8', at + 46, at + 46 + (nameLength ?? 0));
      if (entry === name) {
        const header = directory.readUInt32LE(at + 42);
        const local = read(header, 30);
        const start = header + 30 + local.readUInt16LE(26) + local.readUInt16LE(28);
        const packed = read(start, directory.readUInt32LE(at + 20));
        writeFileSync(to, directory.readUInt16LE(at + 10) === 0 ? packed : inflateRawSync(packed));
        return;
      }
      at += 46 + (nameLength ?? 0) + (extraLength ?? 0) + (commentLength ?? 0);
    }
    throw new Error(`${archive} has no ${name}`);
  } finally {
    closeSync(fd);
  }
}
