/**
 * Files of one folder that are not of one kind: a report page among CT slices, a second modality, masks beside images. One odd file must
 * not change what all others mean, so the largest kind is the data set and the rest is reported, with what takes it instead.
 */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { fault } from '../../core/fault.ts'
import type { Fault } from '../../core/fault.ts'
import { counted, note, showFiles } from './note.ts'

/** What an image is, as far as its header says. */
export interface Kind {
  /** What distinguishes it from others, a word each: CT, HU, gray, 512x512. */
  readonly words: ReadonlyArray<string>
  /** How it competes for being the data set: 1 for images; less for what is seldom meant; 0 where only nothing else is there. */
  readonly claim: number
}

/** A file with what is known of it. */
export interface Sorted<A> {
  readonly file: A
  readonly kind: Kind
  /** Below the root, for notes. */
  readonly path: string
  readonly images: number
}

interface Group<A> {
  readonly label: string
  readonly kind: Kind
  readonly members: ReadonlyArray<Sorted<A>>
  readonly images: number
}

const groupsOf = <A>(all: ReadonlyArray<Sorted<A>>): ReadonlyArray<Group<A>> => {
  const found = new Map<string, Array<Sorted<A>>>()
  for (const s of all) {
    const label = s.kind.words.join(' ')
    const known = found.get(label)
    if (known === undefined) found.set(label, [s])
    else known.push(s)
  }
  const groups = [...found].map(([label, members]): Group<A> => ({
    label,
    members,
    kind: members[0].kind,
    images: members.reduce((n, m) => n + m.images, 0),
  }))
  // the first of equals is the first by path
  return groups.sort(
    (a, b) => Number(b.kind.claim > 0) - Number(a.kind.claim > 0) || b.images * (b.kind.claim || 1) - a.images * (a.kind.claim || 1),
  )
}

const lower = (words: ReadonlyArray<string>): ReadonlyArray<string> => words.map((w) => w.toLowerCase())

const has =
  (words: ReadonlyArray<string>) =>
  (g: { readonly kind: Kind }): boolean =>
    lower(words).every((w) => lower(g.kind.words).includes(w))

/** The fewest words that pick out this kind: one that no other has, else all of them. */
const wordsFor = (g: { readonly kind: Kind }, others: ReadonlyArray<{ readonly kind: Kind }>): string =>
  g.kind.words.find((w) => !others.some((o) => o !== g && has([w])(o))) ?? g.kind.words.join(' ')

/** Files that are taken, and what is to be said of the others. */
export interface Chosen<A> {
  readonly files: ReadonlyArray<A>
  readonly notes: ReadonlyArray<string>
}

/** A setting as it is written on a command line. */
const setting = (words: string): string =>
  `data.select=${words.includes(' ') ? JSON.stringify([words]) : words}`.replace(/^(.* .*)$/, "'$1'")

/**
 * The files of one kind: of the largest, or of those that have all words of a text of `select`; with 'all' every file. Law: every file is
 * taken or named in a note. Fault: no kind has the words.
 */
export const chooseKind =
  (place: string, select: ReadonlyArray<string> = []) =>
  <A>(all: ReadonlyArray<Sorted<A>>): Either<Fault, Chosen<A>> => {
    const groups = groupsOf(all)
    const asked = (text: string): ReadonlyArray<Group<A>> => {
      const exact = groups.filter((g) => g.label.toLowerCase() === text.toLowerCase())
      return exact.length > 0 ? exact : groups.filter(has(text.split(/\s+/)))
    }
    const chosen = select.includes('all')
      ? groups
      : select.length === 0
        ? groups.slice(0, 1)
        : groups.filter((g) => select.some((text) => asked(text).includes(g)))
    const files = (g: Group<A>): string => showFiles(g.members.map((m) => m.path))
    if (chosen.length === 0 && groups.length > 0) {
      return E.left(
        fault('data', {
          place,
          found: `no image of the kind ${select.join(', ')}`,
          allowed: `all, or words of these kinds: ${groups.map((g) => g.label).join('; ')}`,
          remedy: `name a kind that is there (--set ${setting(wordsFor(groups[0], groups))})`,
        }),
      )
    }
    const rest = groups.filter((g) => !chosen.includes(g))
    const total = groups.reduce((n, g) => n + g.images, 0)
    const taken = chosen.reduce((n, g) => n + g.images, 0)
    const several =
      chosen.length > 1
        ? [
            note(
              `${counted(taken, 'image')} of ${chosen.length} kinds together: ${chosen.map((g) => `${g.images} ${g.label} (${files(g)})`).join('; ')}`,
              [],
              `${setting(wordsFor(chosen[0], groups))} takes one kind`,
            ),
          ]
        : []
    const without =
      rest.length > 0
        ? [
            note(
              `${taken} of ${counted(total, 'image')} are the data set: ${chosen.map((g) => g.label).join('; ')}. Left out: ${rest.map((g) => `${counted(g.images, 'image')} ${g.label} (${files(g)}; --set ${setting(wordsFor(g, groups))} takes these)`).join('; ')}`,
              [],
              'data.select=all takes everything',
            ),
          ]
        : []
    const alone =
      select.length === 0 && chosen.length === 1 && chosen[0].kind.claim === 0
        ? [`all images are of the kind ${chosen[0].label}, which is seldom meant to be trained on: ${files(chosen[0])}`]
        : []
    // in the order in which they came
    const set = new Set(chosen.flatMap((g) => g.members))
    return E.right({ files: all.filter((s) => set.has(s)).map((s) => s.file), notes: [...without, ...several, ...alone] })
  }
