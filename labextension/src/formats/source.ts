/**
 * Where the bytes of a file come from: memory, or pieces of it over HTTP.
 */

/** A file that can be read in pieces. */
export interface ByteSource {
  /** Bytes in the file. */
  readonly size: number;
  /** The bytes from offset on; fewer than length only where the file ends. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

/** Bytes asked for at once, and how many such blocks are kept. */
const BLOCK = 1 << 20;
const KEPT_BLOCKS = 32;
/** A compressed file is unpacked as a whole, a text read as a whole: no larger than this. */
export const LARGEST_IN_MEMORY = 512 * 2 ** 20;

export class FormatError extends Error {}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toPrecision(3)} MB`;
}

export function memorySource(bytes: Uint8Array): ByteSource {
  return {
    size: bytes.length,
    read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length))
  };
}

/** Get the bytes first..last (both included); an answer without Content-Range is taken as the whole file. */
export type RangeRequest = (first: number, last: number) => Promise<Response>;

/**
 * A file behind a server: in blocks by Range requests, with the newest of them kept.
 *
 * Where the server does not do ranges, its first answer is the file.
 */
export async function rangeSource(request: RangeRequest): Promise<ByteSource> {
  const answer = await request(0, BLOCK - 1);
  if (answer.status === 416) {
    return memorySource(new Uint8Array());
  }
  const size = Number(/\/(\d+)$/.exec(answer.headers.get('Content-Range') ?? '')?.[1] ?? NaN);
  if (answer.status !== 206 || Number.isNaN(size)) {
    const length = Number(answer.headers.get('Content-Length') ?? 0);
    if (length > LARGEST_IN_MEMORY) {
      await answer.body?.cancel();
      throw tooLarge(length);
    }
    return memorySource(new Uint8Array(await answer.arrayBuffer()));
  }
  const first = new Uint8Array(await answer.arrayBuffer());
  if (size <= BLOCK) {
    return memorySource(first);
  }
  return { size, read: readBlocks(request, size, first) };
}

function readBlocks(request: RangeRequest, size: number, first: Uint8Array): ByteSource['read'] {
  const blocks = new Map<number, Promise<Uint8Array>>([[0, Promise.resolve(first)]]);

  const load = async (number: number): Promise<Uint8Array> => {
    const start = number * BLOCK;
    const end = Math.min(size, start + BLOCK) - 1;
    const answer = await request(start, end);
    const bytes = new Uint8Array(await answer.arrayBuffer());
    if (answer.status !== 206 || bytes.length !== end + 1 - start) {
      throw new FormatError('The file changed on the server while it was read: open it again.');
    }
    return bytes;
  };

  const block = (number: number): Promise<Uint8Array> => {
    const known = blocks.get(number);
    const bytes = known ?? load(number);
    // the map keeps the order of insertion: what was used last is last
    blocks.delete(number);
    blocks.set(number, bytes);
    if (!known) {
      bytes.catch(() => blocks.delete(number));
    }
    for (const oldest of blocks.keys()) {
      if (blocks.size <= KEPT_BLOCKS) {
        break;
      }
      blocks.delete(oldest);
    }
    return bytes;
  };

  return async (offset, length) => {
    const end = Math.min(size, offset + length);
    const result = new Uint8Array(Math.max(0, end - offset));
    for (let at = offset; at < end; ) {
      const bytes = await block(Math.floor(at / BLOCK));
      const piece = bytes.subarray(at % BLOCK, Math.min(BLOCK, (at % BLOCK) + end - at));
      result.set(piece, at - offset);
      at += piece.length;
    }
    return result;
  };
}

/** The whole file; refused where it is larger than memory should hold. */
export async function readAll(source: ByteSource): Promise<Uint8Array> {
  if (source.size > LARGEST_IN_MEMORY) {
    throw tooLarge(source.size);
  }
  return source.read(0, source.size);
}

function tooLarge(size: number, most = LARGEST_IN_MEMORY): FormatError {
  return new FormatError(
    `The file, or a part of it, has ${megabytes(size)}; of its kind it is shown up to ${megabytes(most)}.`
  );
}

/** The same source, or what it holds where it is compressed by gzip. */
export async function gunzip(source: ByteSource): Promise<ByteSource> {
  const magic = await source.read(0, 2);
  if (magic[0] !== 0x1f || magic[1] !== 0x8b) {
    return source;
  }
  const pieces = await inflate(await readAll(source), 'gzip');
  return memorySource(pieces);
}

/** Unpack bytes; a FormatError where they are damaged, or hold more than `most`, which is what memory should. */
export async function inflate(
  bytes: Uint8Array,
  format: 'gzip' | 'deflate',
  most = LARGEST_IN_MEMORY
): Promise<Uint8Array> {
  const whole = new ReadableStream<BufferSource>({
    start: controller => {
      controller.enqueue(bytes);
      controller.close();
    }
  });
  const unpacked = whole.pipeThrough(new DecompressionStream(format)) as ReadableStream<Uint8Array>;
  const reader = unpacked.getReader();
  const pieces: Uint8Array[] = [];
  let size = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      pieces.push(next.value);
      size += next.value.length;
      if (size > most) {
        await reader.cancel();
        throw tooLarge(size, most);
      }
    }
  } catch (error) {
    if (error instanceof FormatError) {
      throw error;
    }
    throw new FormatError('The compressed data are damaged or end too early: they cannot be unpacked.');
  }
  const result = new Uint8Array(size);
  let at = 0;
  for (const piece of pieces) {
    result.set(piece, at);
    at += piece.length;
  }
  return result;
}

/** Lets the page draw and answer in a long computation: await it now and then. */
export function breather(): () => Promise<void> | undefined {
  let since = performance.now();
  return () => {
    if (performance.now() - since < 30) {
      return undefined;
    }
    return new Promise(resolve => {
      setTimeout(() => {
        since = performance.now();
        resolve();
      }, 0);
    });
  };
}
