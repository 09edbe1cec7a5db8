import type { Readable } from 'node:stream';

/** The lines of a stream of UTF-8, without their ends; a last line without an end counts, an empty line does not. */
export async function* readLines(stream: Readable): AsyncGenerator<string> {
  stream.setEncoding('utf8');
  // Pieces of an unfinished line are joined once: a line of many megabytes costs no more than its length.
  let pieces: string[] = [];
  for await (const text of stream as AsyncIterable<string>) {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      pieces.push(text.slice(from, end));
      const line = pieces.join('');
      if (line !== '') yield line;
      pieces = [];
      from = end + 1;
    }
    if (from < text.length) pieces.push(text.slice(from));
  }
  const last = pieces.join('');
  if (last !== '') yield last;
}
