/** Memory outside of JavaScript's heap for what a plugin is given by address: all that one call needs, freed with it. */
import { koffi } from '../foreign.ts'

/** A piece of memory and its view without a copy; good until it is freed. */
export interface Piece {
  readonly address: bigint
  readonly view: ArrayBuffer
}

export interface Scratch {
  /** A number of bytes, all zero. */
  readonly allocate: (bytes: number) => Piece
  readonly bytes: (data: Uint8Array) => Piece
  /** UTF-8, with a zero behind it. */
  readonly text: (s: string) => Piece
  readonly words: (xs: ReadonlyArray<bigint | number>) => Piece
  /** A struct of words as plugins take it: its size and an extension go before its fields. */
  readonly struct: (fields: ReadonlyArray<bigint | number>) => Piece
}

export const viewOf = (address: bigint, bytes: number): ArrayBuffer => koffi.view(address, bytes)

/** A copy of bytes that a plugin owns. */
export const bytesAt = (address: bigint, bytes: number): Uint8Array =>
  bytes === 0 ? new Uint8Array(0) : new Uint8Array(viewOf(address, bytes)).slice()

export const textAt = (address: bigint, bytes: number): string => Buffer.from(bytesAt(address, bytes)).toString()

export const wordsAt = (address: bigint, count: number): ReadonlyArray<bigint> =>
  count === 0 ? [] : [...new BigInt64Array(viewOf(address, 8 * count))]

/**
 * A struct of PJRT: its size, an extension, its fields. Behind them is room: a plugin that is newer than the interface that is known here
 * believes the struct to be longer, reads zeros there, which ask for nothing, and writes there what is never read.
 */
export const structOf = (fields: ReadonlyArray<bigint | number>): BigInt64Array => {
  const room = 32
  const words = new BigInt64Array(2 + fields.length + room)
  words.set([BigInt(8 * (fields.length + 2)), 0n, ...fields.map(BigInt)])
  return words
}

const opened = (): { readonly scratch: Scratch; readonly free: () => void } => {
  const pieces: Array<bigint> = []
  const allocate = (bytes: number): Piece => {
    const size = Math.max(bytes, 8)
    const address = koffi.address(koffi.alloc('uint8_t', size))
    pieces.push(address)
    const view = koffi.view(address, size)
    new Uint8Array(view).fill(0)
    return { address, view }
  }
  const bytes = (data: Uint8Array): Piece => {
    const p = allocate(data.length)
    new Uint8Array(p.view).set(data)
    return p
  }
  return {
    scratch: {
      allocate,
      bytes,
      text: (s) => bytes(Buffer.from(`${s}\0`)),
      words: (xs) => {
        const p = allocate(8 * xs.length)
        new BigInt64Array(p.view).set(xs.map(BigInt))
        return p
      },
      struct: (fields) => {
        const words = structOf(fields)
        return bytes(new Uint8Array(words.buffer))
      },
    },
    free: () => {
      for (const p of pieces.splice(0)) koffi.free(p)
    },
  }
}

/** A text with a zero behind it that stays until the process is over, for who may read it at any time. */
export const keptText = (s: string): bigint => opened().scratch.text(s).address

/** Memory for the time of a piece of work. */
export const withScratch = <A>(work: (s: Scratch) => A): A => {
  const { scratch, free } = opened()
  try {
    return work(scratch)
  } finally {
    free()
  }
}

/** The same where the work goes on in other threads. */
export const withScratchLater = async <A>(work: (s: Scratch) => Promise<A>): Promise<A> => {
  const { scratch, free } = opened()
  try {
    return await work(scratch)
  } finally {
    free()
  }
}
