/**
 * Images of a step by several ranks: each reads, decodes and crops its own, in the order that one process would have, and all of them know
 * what there is to say. A fault of one rank is the fault of all, before any of them goes on.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import { unevenly } from '../../compiler/distribute/strategy.ts'
import type { CompileOptions, Share } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { isWholeFault } from '../../core/fault.ts'
import type { MultiCrop } from '../../data/augment/multicrop.ts'
import { sharedAmong } from '../../data/augment/multicrop.ts'
import { decodeAs } from '../../data/formats/codec.ts'
import type { Loader, LoaderOptions } from '../../data/loading/loader.ts'
import { skippedNote } from '../../data/loading/loader.ts'

const FaultOf = new t.Type<Fault, Fault, unknown>(
  'a fault',
  isWholeFault,
  (u, c) => (isWholeFault(u) ? t.success(u) : t.failure(u, c)),
  t.identity,
)
const Said = t.strict({
  notes: t.readonlyArray(t.string),
  skipped: t.readonlyArray(FaultOf),
  guided: t.number,
  fault: t.union([FaultOf, t.null]),
})

/** What a rank has to say of a step; nothing is said by no text. */
type Said = t.TypeOf<typeof Said>

const nothing: Said = { notes: [], skipped: [], guided: 0, fault: null }

const textOf = (s: Said): string =>
  s.fault === null && s.notes.length + s.skipped.length + s.guided === 0 ? '' : JSON.stringify(Said.encode(s))

const parsedBy =
  <A, O>(codec: t.Type<A, O>) =>
  (text: string): Either<Fault, A> =>
    pipe(
      E.tryCatch(
        (): unknown => JSON.parse(text),
        () => undefined,
      ),
      E.getOrElse((): unknown => undefined),
      decodeAs(codec, 'target', 'what another rank says', 'run the same version on all ranks'),
    )

const saidBy = (text: string): Either<Fault, Said> => (text === '' ? E.right(nothing) : parsedBy(Said)(text))

/** What all ranks say. Fault: the first that one of them has. */
const heard =
  (share: Share, step: number) =>
  (own: Said): TaskEither<Fault, ReadonlyArray<Said>> =>
    pipe(
      share.exchange(textOf(own), step),
      TE.chainEitherK(E.traverseArray(saidBy)),
      TE.chainEitherK((all) => {
        const bad = all.find((s) => s.fault !== null)?.fault
        return bad === undefined || bad === null ? E.right(all) : E.left(bad)
      }),
    )

/** A rank's own result, where all ranks have one. */
export const agreed =
  (share: Share | undefined, step: number) =>
  <A>(own: Either<Fault, A>): TaskEither<Fault, A> =>
    share === undefined
      ? TE.fromEither(own)
      : pipe(
          heard(share, step)({ ...nothing, fault: E.isLeft(own) ? own.left : null }),
          TE.chainEitherK(() => own),
        )

/** What every rank has made, in their order, where all of them have. */
export const gathered =
  (share: Share, step: number) =>
  <A, O>(codec: t.Type<A, O>) =>
  (own: Either<Fault, A>): TaskEither<Fault, ReadonlyArray<A>> =>
    pipe(
      agreed(share, step)(own),
      TE.chain((a) => share.exchange(JSON.stringify(codec.encode(a)), step)),
      TE.chainEitherK(E.traverseArray(parsedBy(codec))),
    )

/** How a rank loads its own images for a program of those of all. */
export interface Part {
  /** Of the rank's images. */
  readonly crops: MultiCrop
  readonly rows: Required<Pick<LoaderOptions, 'rows' | 'crops'>>
  readonly compile: Pick<CompileOptions, 'images' | 'own'>
}

/** All images where there is one rank. Fault: images that the ranks cannot share evenly. */
export const partOf = (share: Share | undefined, crops: MultiCrop): Either<Fault, Part> => {
  const images = crops.layout.batch
  if (share === undefined) return E.right({ crops, rows: { rows: { from: 0, to: images }, crops }, compile: { images } })
  const uneven = unevenly(images, share.ranks)
  return uneven !== undefined
    ? E.left(uneven)
    : pipe(
        crops,
        sharedAmong(share.ranks),
        E.map((s) => {
          const each = images / share.ranks
          const from = share.rank * each
          return { crops: s.crops, rows: { rows: { from, to: from + each }, crops: s.crops }, compile: { images, own: s.axes } }
        }),
      )
}

/** A rank's loader beside those of the others, all of which are asked for the same batches in the same order. */
export const amongOthers =
  (share: Share | undefined) =>
  (l: Loader): Loader => {
    if (share === undefined) return l
    const skipped = new Map<string, Fault>()
    const [said, state] = [new Set<string>(), { told: 0 }]
    /** An item in whose place another stands is told once, whoever came to it first. */
    const isNews = (note: string): boolean => {
      const before = said.has(note)
      if (!before && [...skipped.values()].some((f) => skippedNote(f) === note)) said.add(note)
      return !before
    }
    return {
      ...l,
      size: l.size * share.ranks,
      skipped: () => [...skipped.values()],
      batch: (step) => async () => {
        const own = await l.batch(step)()
        const fresh = l.skipped().slice(state.told)
        state.told += fresh.length
        const mine: Said = E.isLeft(own)
          ? { ...nothing, skipped: fresh, fault: own.left }
          : { notes: own.right.notes, skipped: fresh, guided: own.right.drawn?.guided ?? 0, fault: null }
        const all = await heard(share, step)(mine)()
        if (E.isLeft(all)) return all
        if (E.isLeft(own)) return own
        for (const f of all.right.flatMap((s) => s.skipped)) if (!skipped.has(f.place)) skipped.set(f.place, f)
        const notes = all.right.flatMap((s) => s.notes).filter(isNews)
        const guided = all.right.reduce((n, s) => n + s.guided, 0)
        const { drawn } = own.right
        return E.right({ ...own.right, notes, ...(drawn === undefined ? {} : { drawn: { ...drawn, guided } }) })
      },
    }
  }
