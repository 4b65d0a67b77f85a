/**
 * Python's pickles as data (protocols 0 to 5; CPython `Lib/pickletools.py` describes the codes). A pickle is a program for a stack
 * machine that may name any function of Python and have it called. Here nothing is ever called: the caller says what a name with
 * arguments stands for, and every other name ends the reading.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { escaped, littleEndian, quoted, signed, whole } from './literals.ts'

/** What a pickle holds; `T` is what the reader makes of names and of references to things outside. */
export type Pickled<T> =
  | null
  | boolean
  | number
  | bigint
  | string
  | { readonly _tag: 'Bytes'; readonly bytes: Uint8Array }
  | { readonly _tag: 'List' | 'Tuple' | 'Set'; readonly items: Array<Pickled<T>> }
  | { readonly _tag: 'Dict'; readonly entries: Array<readonly [Pickled<T>, Pickled<T>]> }
  | { readonly _tag: 'Name'; readonly name: string }
  | { readonly _tag: 'Made'; readonly made: T }

/** What the reader of a pickle knows. Left: what was found, for all that it does not know. */
export interface Maker<T> {
  /** Whether a name may stand in a pickle at all: `torch.float32`. */
  readonly knows: (name: string) => boolean
  /** What a name with arguments is: `collections.OrderedDict()`. */
  readonly make: (name: string, args: ReadonlyArray<Pickled<T>>) => Either<string, Pickled<T>>
  /** What a reference to something outside of the pickle is. */
  readonly outside: (id: Pickled<T>) => Either<string, Pickled<T>>
}

/** Why a pickle cannot be read: it goes on behind the bytes that are there, or what was found. */
export type Unread = { readonly _tag: 'Short' } | { readonly _tag: 'Wrong'; readonly found: string }

/** What a pickle says, and where it ends. */
export interface Read<T> {
  readonly value: Pickled<T>
  readonly end: number
}

/** How a code's argument lies behind it: a number of bytes, lines, or as many bytes as the 1, 4 or 8 before say. */
type Argument = number | 'line' | 'two lines' | 'counted 1' | 'counted 4' | 'counted 8'

const argumentsOf: ReadonlyArray<readonly [Argument, string]> = [
  [0, '(.012NQR' + 'abdel})]ostu' + '\x81\x85\x86\x87\x88\x89\x8f\x90\x91\x92\x93\x94\x97\x98'],
  ['line', 'FIPLSVgp'],
  ['two lines', 'ci'],
  [1, 'Khq\x80\x82'],
  [2, 'M\x83'],
  [4, 'Jjr\x84'],
  [8, 'G\x95'],
  ['counted 1', 'UC\x8a\x8c'],
  ['counted 4', 'TXB\x8b'],
  ['counted 8', '\x8d\x8e\x96'],
]

const argumentAt: ReadonlyMap<string, Argument> = new Map(argumentsOf.flatMap(([a, codes]) => Array.from(codes, (c) => [c, a] as const)))

const latin1 = new TextDecoder('latin1')
const utf8 = new TextDecoder('utf-8')

const marker = Symbol('mark')

type Cell<T> = Pickled<T> | typeof marker

const isName = <T>(v: Pickled<T>): v is Extract<Pickled<T>, { readonly _tag: 'Name' }> =>
  typeof v === 'object' && v !== null && v._tag === 'Name'

const itemsOf = <T>(v: Pickled<T>): Array<Pickled<T>> | undefined =>
  typeof v === 'object' && v !== null && (v._tag === 'List' || v._tag === 'Tuple' || v._tag === 'Set') ? v.items : undefined

/** The machine. Its steps give what was found where something is wrong, and nothing where all is well. */
const machine = <T>(maker: Maker<T>) => {
  const stack: Array<Cell<T>> = []
  const memo = new Map<number, Pickled<T>>()
  const broken = 'a code without the values that it needs'
  const pop = (): Pickled<T> | undefined => {
    const v = stack.pop()
    return v === marker ? undefined : v
  }
  const top = (): Pickled<T> | undefined => {
    const v = stack[stack.length - 1]
    return v === marker ? undefined : v
  }
  const push = (v: Pickled<T>): string | undefined => {
    stack.push(v)
    return undefined
  }
  /** All above the last mark, which goes too. */
  const marked = (): Array<Pickled<T>> | undefined => {
    const at = stack.lastIndexOf(marker)
    const above = at < 0 ? undefined : stack.splice(at).flatMap((v) => (v === marker ? [] : [v]))
    return above
  }
  const pushed = (made: Either<string, Pickled<T>>): string | undefined => (E.isLeft(made) ? made.left : push(made.right))
  const named = (name: string): string | undefined => (maker.knows(name) ? push({ _tag: 'Name', name }) : `the class or function ${name}`)
  const called = (of: Pickled<T> | undefined, args: ReadonlyArray<Pickled<T>> | undefined): string | undefined =>
    of === undefined || args === undefined ? broken : isName(of) ? pushed(maker.make(of.name, args)) : 'a call of something that is no name'
  const listed = (tag: 'List' | 'Tuple' | 'Set', items: Array<Pickled<T>> | undefined): string | undefined =>
    items === undefined ? broken : push({ _tag: tag, items })
  const taken = (n: number): Array<Pickled<T>> | undefined => {
    const out = Array.from({ length: n }, pop).reverse()
    return out.every((v) => v !== undefined) ? out.flatMap((v) => (v === undefined ? [] : [v])) : undefined
  }
  const appended = (items: ReadonlyArray<Pickled<T>> | undefined): string | undefined => {
    const to = top()
    const own = to === undefined ? undefined : itemsOf(to)
    if (items === undefined || own === undefined) return broken
    for (const x of items) own.push(x)
    return undefined
  }
  const paired = (flat: ReadonlyArray<Pickled<T>> | undefined): string | undefined => {
    const to = top()
    if (flat === undefined || flat.length % 2 !== 0 || to === undefined) return broken
    // what belongs to an object of another kind is of no use here, and left where it is
    if (typeof to !== 'object' || to === null || to._tag !== 'Dict')
      return to === null || typeof to !== 'object' || to._tag !== 'Made' ? broken : undefined
    for (let i = 0; i < flat.length; i += 2) to.entries.push([flat[i], flat[i + 1]])
    return undefined
  }
  const remembered = (key: number): string | undefined => {
    const v = memo.get(key)
    return v === undefined ? `a reference to the value ${key}, which was not stored` : push(v)
  }
  const stored = (key: number): string | undefined => {
    const v = top()
    if (v === undefined) return broken
    memo.set(key, v)
    return undefined
  }
  const split = (): string | undefined => {
    const [module, name] = taken(2) ?? []
    return typeof module === 'string' && typeof name === 'string' ? named(`${module}.${name}`) : broken
  }
  const dictOf = (flat: ReadonlyArray<Pickled<T>> | undefined): string | undefined => {
    push({ _tag: 'Dict', entries: [] })
    return paired(flat)
  }
  const number = (line: string): string | undefined => {
    const n = whole(line)
    return n === undefined ? `the number ${JSON.stringify(line)}` : push(n)
  }
  const steps: Readonly<Record<string, (bytes: Uint8Array, text: string) => string | undefined>> = {
    '(': () => {
      stack.push(marker)
      return undefined
    },
    '0': () => (stack.pop() === undefined ? broken : undefined),
    '1': () => (marked() === undefined ? broken : undefined),
    '2': () => {
      const v = top()
      return v === undefined ? broken : push(v)
    },
    N: () => push(null),
    '\x88': () => push(true),
    '\x89': () => push(false),
    K: (b) => push(b[0]),
    M: (b) => push(littleEndian(b)),
    J: (b) => push(signed(b)),
    '\x8a': (b) => push(signed(b)),
    '\x8b': (b) => push(signed(b)),
    I: (_, line) => number(line),
    L: (_, line) => number(line),
    F: (_, line) => push(Number(line)),
    G: (b) => push(new DataView(b.buffer, b.byteOffset, 8).getFloat64(0)),
    S: (_, line) => push(quoted(line)),
    V: (_, line) => push(escaped(line)),
    T: (b) => push(latin1.decode(b)),
    U: (b) => push(latin1.decode(b)),
    X: (b) => push(utf8.decode(b)),
    '\x8c': (b) => push(utf8.decode(b)),
    '\x8d': (b) => push(utf8.decode(b)),
    B: (bytes) => push({ _tag: 'Bytes', bytes }),
    C: (bytes) => push({ _tag: 'Bytes', bytes }),
    '\x8e': (bytes) => push({ _tag: 'Bytes', bytes }),
    '\x96': (bytes) => push({ _tag: 'Bytes', bytes }),
    ']': () => listed('List', []),
    ')': () => listed('Tuple', []),
    '\x8f': () => listed('Set', []),
    '}': () => push({ _tag: 'Dict', entries: [] }),
    l: () => listed('List', marked()),
    t: () => listed('Tuple', marked()),
    '\x91': () => listed('Set', marked()),
    d: () => dictOf(marked()),
    '\x85': () => listed('Tuple', taken(1)),
    '\x86': () => listed('Tuple', taken(2)),
    '\x87': () => listed('Tuple', taken(3)),
    a: () => appended(taken(1)),
    e: () => appended(marked()),
    '\x90': () => appended(marked()),
    s: () => paired(taken(2)),
    u: () => paired(marked()),
    g: (_, line) => remembered(Number(line)),
    h: (b) => remembered(littleEndian(b)),
    j: (b) => remembered(littleEndian(b)),
    p: (_, line) => stored(Number(line)),
    q: (b) => stored(littleEndian(b)),
    r: (b) => stored(littleEndian(b)),
    '\x94': () => stored(memo.size),
    c: (_, lines) => named(lines.replace('\n', '.')),
    '\x93': split,
    R: () => {
      const [of, args] = taken(2) ?? []
      return args === undefined ? broken : called(of, itemsOf(args))
    },
    '\x81': () => {
      const [of, args] = taken(2) ?? []
      return args === undefined ? broken : called(of, itemsOf(args))
    },
    '\x92': () => {
      const [of, args] = taken(3) ?? []
      return args === undefined ? broken : called(of, itemsOf(args))
    },
    i: (_, lines) => {
      const args = marked()
      return named(lines.replace('\n', '.')) ?? called(pop(), args)
    },
    o: () => {
      const [of, ...args] = marked() ?? []
      return called(of, args)
    },
    // what an object is given beside its values changes none of them
    b: () => (pop() === undefined || top() === undefined ? broken : undefined),
    P: (_, line) => pushed(maker.outside(line)),
    Q: () => {
      const id = pop()
      return id === undefined ? broken : pushed(maker.outside(id))
    },
    '\x80': (b) => (b[0] > 5 ? `the protocol ${b[0]} of pickles` : undefined),
    '\x95': () => undefined,
    '\x97': () => 'a buffer that lies outside of the pickle',
    '\x98': () => undefined,
    '\x82': () => 'an extension of the registry copyreg',
    '\x83': () => 'an extension of the registry copyreg',
    '\x84': () => 'an extension of the registry copyreg',
  }
  return { steps, pop }
}

const short: Either<Unread, never> = E.left({ _tag: 'Short' })

const wrongAt = (at: number, found: string): Either<Unread, never> =>
  E.left({ _tag: 'Wrong', found: `${found} (byte ${at} of the pickle)` })

/** The argument at a place: its bytes, and where it ends; none where the bytes do not reach. */
const argument = (
  bytes: Uint8Array,
  at: number,
  a: Argument,
): { readonly from: number; readonly to: number; readonly next: number } | undefined => {
  if (typeof a === 'number') return { from: at, to: at + a, next: at + a }
  if (a === 'line' || a === 'two lines') {
    const first = bytes.indexOf(10, at)
    const last = a === 'line' || first < 0 ? first : bytes.indexOf(10, first + 1)
    return last < 0 ? undefined : { from: at, to: last, next: last + 1 }
  }
  const n = Number(a.slice(-1))
  if (at + n > bytes.length) return undefined
  const from = at + n
  const length = littleEndian(bytes.subarray(at, from))
  return { from, to: from + length, next: from + length }
}

/**
 * Reads the pickle that begins at a place. Left: more bytes are needed; a name that the reader does not know, or bytes that are no pickle.
 */
export const readPickle =
  <T>(maker: Maker<T>) =>
  (bytes: Uint8Array, begin: number): Either<Unread, Read<T>> => {
    const { steps, pop } = machine(maker)
    for (let at = begin; ;) {
      if (at >= bytes.length) return short
      const code = String.fromCharCode(bytes[at])
      if (code === '.') {
        const value = pop()
        return value === undefined ? wrongAt(at - begin, 'an end without a value') : E.right({ value, end: at + 1 })
      }
      const kind = argumentAt.get(code)
      if (kind === undefined || !Object.hasOwn(steps, code))
        return wrongAt(at - begin, `the byte ${bytes[at]}, which is no code of pickles`)
      const a = argument(bytes, at + 1, kind)
      if (a === undefined || a.next > bytes.length) return short
      const part = bytes.subarray(a.from, a.to)
      const bad = steps[code](part, typeof kind === 'number' ? '' : kind.startsWith('counted') ? '' : latin1.decode(part))
      if (bad !== undefined) return wrongAt(at - begin, bad)
      at = a.next
    }
  }
