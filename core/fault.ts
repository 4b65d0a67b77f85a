/**
 * A fault is bad input explained: where it is, what was found there, what is allowed, and what to do about it.
 * Every failure that a user can cause travels as a `Fault` in the left of an Either or TaskEither.
 */
import { userLine } from './place.ts'

const kinds = ['program', 'usage', 'config', 'type', 'graph', 'target', 'data', 'checkpoint', 'numeric', 'io'] as const

/**
 * What kind of thing was wrong. `usage` and `config` end a command with exit code 2, all others with 1; `program` is a mistake of this
 * program itself.
 */
export type FaultKind = (typeof kinds)[number]

export interface Fault {
  readonly _tag: 'Fault'
  readonly kind: FaultKind
  /** Where: an op, a scope, a file with its line, a configuration path. */
  readonly place: string
  /** What was found there. */
  readonly found: string
  /** What would have been accepted. */
  readonly allowed: string
  /** What to do. */
  readonly remedy: string
  /** What else was found wrong in the same go. */
  readonly also?: ReadonlyArray<Fault>
  /** Of a fault of this program: where in it. */
  readonly stack?: string
}

export const fault = (kind: FaultKind, f: Omit<Fault, '_tag' | 'kind'>): Fault => ({ _tag: 'Fault', kind, ...f })

/** Faults of one kind, their parts in the order in which they are shown. */
export const faultsOf =
  (kind: FaultKind) =>
  (place: string, found: string, allowed: string, remedy: string): Fault =>
    fault(kind, { place, found, allowed, remedy })

/** Whether something of which nothing is known, such as what another process says, is a fault with all its parts. */
export const isWholeFault = (u: unknown): u is Fault => {
  if (typeof u !== 'object' || u === null) return false
  const parts: ReadonlyMap<string, unknown> = new Map(Object.entries(u))
  const also = parts.get('also')
  return (
    parts.get('_tag') === 'Fault' &&
    kinds.some((k) => k === parts.get('kind')) &&
    ['place', 'found', 'allowed', 'remedy'].every((name) => typeof parts.get(name) === 'string') &&
    ['string', 'undefined'].includes(typeof parts.get('stack')) &&
    (also === undefined || (Array.isArray(also) && also.every(isWholeFault)))
  )
}

/** Whether something that was thrown is a fault already. */
export const isFault = (e: unknown): e is Fault => typeof e === 'object' && e !== null && '_tag' in e && e._tag === 'Fault'

/** Characters of a part, and further faults, that are shown: a damaged file can make any number of either. */
const shownCharacters = 2000
const shownFaults = 20

const clipped = (text: string): string => (text.length <= shownCharacters ? text : `${text.slice(0, shownCharacters)}…`)

/** The text a user sees: four lines, always in the same order; and four more for each further fault, as far as a person reads. */
export const showFault = (f: Fault): string => {
  const also = f.also ?? []
  return [
    `${f.kind} fault at ${clipped(f.place)}`,
    `  found:   ${clipped(f.found)}`,
    `  allowed: ${clipped(f.allowed)}`,
    `  remedy:  ${clipped(f.remedy)}`,
    ...also.slice(0, shownFaults).map(showFault),
    ...(also.length > shownFaults ? [`and ${also.length - shownFaults} more faults`] : []),
  ].join('\n')
}

/** Several faults as one, so that all are corrected in one go. */
export const together = ([first, ...rest]: readonly [Fault, ...ReadonlyArray<Fault>]): Fault =>
  rest.length === 0 ? first : { ...first, also: [...(first.also ?? []), ...rest] }

/** The process exit code that a fault stands for: 2 for wrong use, 1 for everything that failed on the way. */
export const exitCode = (f: Fault): 1 | 2 => (f.kind === 'usage' || f.kind === 'config' ? 2 : 1)

/** What engines say where data are too deep or too large, and what that means. */
const plainly: ReadonlyArray<readonly [said: RegExp, means: string]> = [
  [/Converting circular structure to JSON[^]*/, 'it refers to itself'],
  [/Maximum call stack size exceeded|too much recursion/, 'it is nested too deeply'],
  [
    /Array buffer allocation failed|Invalid (?:typed )?array (?:buffer )?length.*|Cannot create a .* larger than .*/,
    'it needs more memory than there is',
  ],
]

/** What was thrown, as text: for the edges, where libraries and the file system throw. The pure rooms never do. */
export const messageOf = (e: unknown): string =>
  plainly.reduce((text, [said, means]) => text.replace(said, means), e instanceof Error ? e.message : String(e))

/** The system's error code (`ENOSPC`), or '' where there is none. */
export const codeOf = (e: unknown): string =>
  typeof e === 'object' && e !== null && 'code' in e && typeof e.code === 'string' ? e.code : ''

/** Where an error was thrown, of its stack. */
const innermost = (stack: string): string | undefined => /^\s*at (.+)$/m.exec(stack)?.[1]

/** Whose mistake an error is that no rule has foreseen: tsx does not check types, so what a program of a user passes may be of any. */
const blame = (stack: string): Pick<Fault, 'allowed' | 'remedy'> => {
  const line = userLine(stack)
  if (line === undefined) return { allowed: 'no such error: this is a mistake of this program', remedy: 'please report it' }
  return userLine(`at ${innermost(stack) ?? ''}`) === undefined
    ? {
        allowed: `values of the types that are called for at ${line}`,
        remedy: 'check the types there, which tsx does not (npx tsc --noEmit); if they are right, please report it',
      }
    : { allowed: 'a program that throws no error', remedy: `correct it at ${line}` }
}

/** What was thrown and not expected, as a fault: too large for memory, or a mistake of this program. */
export const unexpected = (e: unknown): Fault => {
  if (isFault(e)) return e
  const [found, stack] = [messageOf(e), e instanceof Error ? (e.stack ?? e.message) : String(e)]
  return e instanceof RangeError && found !== e.message
    ? fault('numeric', {
        place: 'an array',
        found: `${e.message}: ${found}`,
        allowed: 'what memory holds',
        remedy: 'make it smaller: the batch, the crops, the model or the prototypes of its head',
        stack,
      })
    : fault('program', { place: innermost(stack) ?? 'this program', found, ...blame(stack), stack })
}
